"""One table of everything that was measured."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `leaderboard`."""

    @stage(
        group="analysis",
        kinds={"parquet", "polars"},
        deps=["corpus_metrics", "baseline_metrics", "detectors", "baseline_detectors"],
        tables=["stored.leaderboard"],
    )
    def leaderboard(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """All configurations and baselines of the study, with metrics, AUROC and the difference to prompting."""
        record(context, core.leaderboard(workspace.open(context.log)))

    return leaderboard
