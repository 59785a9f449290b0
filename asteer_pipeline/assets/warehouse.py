"""Everything, ready for SQL."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `warehouse`."""

    @stage(group="warehouse", kinds={"duckdb"}, deps=["leaderboard", "metric_auroc_correlation", "choice_regret"])
    def warehouse(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """warehouse.duckdb: views over the corpora, tables of metrics and results; replaced in one step under readers."""
        record(context, core.warehouse(workspace.open(context.log)))

    return warehouse
