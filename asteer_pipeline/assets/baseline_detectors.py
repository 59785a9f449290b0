"""The arms that a detector trained on steered data is compared with."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions, pairs
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `baseline_detectors`."""

    @stage(
        group="detectors",
        kinds={"parquet", "scikitlearn"},
        partitions=parts.model,
        deps=["baseline_corpora"],
        tables=["detector_metrics", "detector_scores"],
    )
    def baseline_detectors(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """Detectors trained on real, prompted, unsteered and random-direction positives; AUROC on real test data."""
        record(context, core.baseline_detectors(workspace.open(context.log), pairs(context)))

    return baseline_detectors
