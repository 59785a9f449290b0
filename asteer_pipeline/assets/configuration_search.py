"""From a budget to a configuration: successive halving over the study's grid, per concept and model. Made on demand."""

import dagster as dg

from asteer_core.search import configuration_search as searched
from asteer_core.search.running import VERSION
from asteer_pipeline.on_demand import on_demand
from asteer_pipeline.partitions import StudyPartitions, pairs
from asteer_pipeline.product_config import SearchConfig
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `configuration_search`."""

    @on_demand(
        kinds={"huggingface", "parquet"},
        partitions=parts.model,
        version=VERSION,
        deps=["baseline_measurements", dg.AssetDep("steering_vectors", partition_mapping=parts.vectors_to_model)],
        tables=["trials"],
        gpu=True,
    )
    def configuration_search(context: dg.AssetExecutionContext, config: SearchConfig, workspace: WorkspaceResource) -> None:
        """The course of a search: every trial with its metrics, rung by rung. Rows of a finished study are adopted, not made again."""
        record(context, searched(workspace.open(context.log), pairs(context), config.search()))

    return configuration_search
