"""Activations to vectors: one partition is one method on one model, at every block the study steers."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions, pairs
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `steering_vectors`."""

    @stage(
        group="vectors",
        kinds={"huggingface", "numpy"},
        partitions=parts.vector,
        deps=["contrastive_prompts"],
        tables=["steering_vectors"],
        gpu=True,
    )
    def steering_vectors(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """One direction per block, found from activations of the contrastive pairs; its separation on held-out pairs is checked."""
        record(context, core.steering_vectors(workspace.open(context.log), pairs(context)))

    return steering_vectors
