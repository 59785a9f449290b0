"""What models and judges say about steered responses; metrics are arithmetic on it."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions, pairs
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `measurements`."""

    @stage(
        group="measurements",
        kinds={"huggingface", "parquet"},
        partitions=parts.configuration,
        deps=["steered_corpora", "judges"],
        tables=["measurements"],
        gpu=True,
    )
    def measurements(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """Judge probability, token log-probability by the scorer model, and embedding of each steered response."""
        record(context, core.measurements(workspace.open(context.log), pairs(context)))

    return measurements
