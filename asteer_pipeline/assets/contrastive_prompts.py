"""The first stage: what the concept files say, checked and written as tables."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `contrastive_prompts`."""

    @stage(
        group="prompts",
        kinds={"parquet", "polars", "yaml"},
        partitions=parts.concept,
        tables=["contrastive_pairs"],
    )
    def contrastive_prompts(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """Contrastive pairs, generation prompts and real data of a concept, validated; no group of prompts crosses splits."""
        record(context, core.contrastive_prompts(workspace.open(context.log), context.partition_keys))

    return contrastive_prompts
