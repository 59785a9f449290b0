"""What models and judges say about baseline responses; the reference scale of the metrics comes from here."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions, pairs
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `baseline_measurements`."""

    @stage(
        group="measurements",
        kinds={"huggingface", "parquet"},
        partitions=parts.model,
        deps=["baseline_corpora", "judges"],
        tables=["measurements"],
        gpu=True,
    )
    def baseline_measurements(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """Judge probability, token log-probability by the scorer model, and embedding of each baseline response."""
        record(context, core.baseline_measurements(workspace.open(context.log), pairs(context)))

    return baseline_measurements
