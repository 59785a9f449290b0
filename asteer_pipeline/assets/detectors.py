"""Corpora to detectors: is synthetic data from this configuration good training data?"""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions, pairs
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `detectors`."""

    @stage(
        group="detectors",
        kinds={"parquet", "scikitlearn"},
        partitions=parts.configuration,
        deps=["steered_corpora", dg.AssetDep("baseline_detectors", partition_mapping=parts.model_to_configuration)],
        tables=["detector_metrics", "detector_scores"],
    )
    def detectors(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """A detector trained on one steered corpus; AUROC on real test data and the paired difference to prompting."""
        record(context, core.detectors(workspace.open(context.log), pairs(context)))

    return detectors
