"""The judge of each concept, trained or calibrated on the judge split alone."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `judges`."""

    @stage(
        group="judges",
        kinds={"scikitlearn"},
        partitions=parts.concept,
        tables=["judges"],
        gpu=parts.judge_loads_model,
    )
    def judges(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """The judge of success: probability that a response violates. It shares no data with the detectors."""
        record(context, core.judges(workspace.open(context.log), context.partition_keys))

    return judges
