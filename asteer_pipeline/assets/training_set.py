"""From a search to the rows to train on, with what each way to choose them is worth. Made on demand."""

import dagster as dg

from asteer_core.training_set import training_set as composed
from asteer_core.training_set.composing import VERSION
from asteer_pipeline.on_demand import on_demand
from asteer_pipeline.partitions import StudyPartitions, pairs
from asteer_pipeline.product_config import TrainingSetConfig
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `training_set`."""

    @on_demand(
        kinds={"parquet", "scikitlearn"},
        partitions=parts.model,
        version=VERSION,
        deps=["configuration_search"],
        tables=["training_set", "training_set_steps"],
        gpu=True,
    )
    def training_set(context: dg.AssetExecutionContext, config: TrainingSetConfig, workspace: WorkspaceResource) -> None:
        """A training set with the provenance of each row; `asteer export training-set` writes it for other tools."""
        record(context, composed(workspace.open(context.log), pairs(context), config.search(), config.chosen()))

    return training_set
