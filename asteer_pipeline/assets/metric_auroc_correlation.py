"""Does a metric computed without real data foretell the detector?"""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `metric_auroc_correlation`."""

    @stage(
        group="analysis",
        kinds={"parquet", "scipy"},
        deps=["leaderboard"],
        tables=["stored.metric_auroc_correlation", "stored.beats_prompting", "stored.regret", "auroc_reliability"],
    )
    def metric_auroc_correlation(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """Rank correlation of each metric with detector AUROC over configurations, with intervals."""
        record(context, core.metric_auroc_correlation(workspace.open(context.log)))

    return metric_auroc_correlation
