"""The detectors one would take, as folders."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `saved_detectors`."""

    @stage(
        group="detectors",
        kinds={"parquet", "scikitlearn"},
        deps=["detectors", "baseline_detectors"],
        tables=["saved_detectors"],
    )
    def saved_detectors(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """Per concept and kind the detector that is best on validation, saved with its model card, and what hindsight would add."""
        record(context, core.saved_detectors(workspace.open(context.log)))

    return saved_detectors
