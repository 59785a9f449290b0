"""Vectors to corpora."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions, pairs
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `steered_corpora`."""

    @stage(
        group="corpora",
        kinds={"huggingface", "parquet"},
        partitions=parts.configuration,
        deps=[dg.AssetDep("steering_vectors", partition_mapping=parts.vector_to_configuration)],
        tables=["responses", "corpora"],
        gpu=True,
    )
    def steered_corpora(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """Responses of the steered model, one corpus per configuration; many configurations share a batch."""
        record(context, core.steered_corpora(workspace.open(context.log), pairs(context)))

    return steered_corpora
