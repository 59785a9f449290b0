"""Measurements to scores, for the baselines."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions, pairs
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `baseline_metrics`."""

    @stage(
        group="scores",
        kinds={"numpy", "parquet"},
        partitions=parts.model,
        deps=["baseline_measurements"],
        tables=["corpus_metrics", "response_metrics", "alternative_metrics"],
    )
    def baseline_metrics(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """Success, coherence, diversity and their harmonic mean for each baseline corpus."""
        record(context, core.baseline_metrics(workspace.open(context.log), pairs(context)))

    return baseline_metrics
