"""Measurements to scores, on the scale that the baseline of the same model sets."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions, pairs
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `corpus_metrics`."""

    @stage(
        group="scores",
        kinds={"numpy", "parquet"},
        partitions=parts.configuration,
        deps=["measurements", dg.AssetDep("baseline_measurements", partition_mapping=parts.model_to_configuration)],
        tables=["corpus_metrics", "response_metrics", "alternative_metrics"],
    )
    def corpus_metrics(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """Success, coherence, diversity and their harmonic mean for each steered corpus."""
        record(context, core.corpus_metrics(workspace.open(context.log), pairs(context)))

    return corpus_metrics
