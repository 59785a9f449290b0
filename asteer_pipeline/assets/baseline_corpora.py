"""The corpora that steering is compared with."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions, pairs
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `baseline_corpora`."""

    @stage(
        group="corpora",
        kinds={"huggingface", "parquet"},
        partitions=parts.model,
        deps=["contrastive_prompts", *parts.random_vectors("steering_vectors")],
        tables=["responses", "corpora"],
        gpu=True,
    )
    def baseline_corpora(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """Responses without a method: unsteered, prompted by each template, and steered along random directions."""
        record(context, core.baseline_corpora(workspace.open(context.log), pairs(context)))

    return baseline_corpora
