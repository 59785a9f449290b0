"""How well can one choose a configuration without the test set?"""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `choice_regret`."""

    @stage(group="analysis", kinds={"parquet", "scipy"}, deps=["leaderboard"], tables=["choice_regret"])
    def choice_regret(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """AUROC lost by rules of choice over all concepts and models, with intervals; what rules learn, they learn from other concepts."""
        record(context, core.choice_regret(workspace.open(context.log)))

    return choice_regret
