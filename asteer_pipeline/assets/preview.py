"""A few responses before any full run: unsteered, prompted, steered. Made on demand."""

import dagster as dg

from asteer_core.search import previews
from asteer_core.search.preview import VERSION
from asteer_pipeline.on_demand import on_demand
from asteer_pipeline.partitions import StudyPartitions, pairs
from asteer_pipeline.product_config import PreviewConfig
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `preview`."""

    @on_demand(
        kinds={"huggingface"},
        partitions=parts.model,
        version=VERSION,
        gpu=True,
    )
    def preview(context: dg.AssetExecutionContext, config: PreviewConfig, workspace: WorkspaceResource) -> None:
        """The same prompts answered unsteered, prompted and steered, as samples of the materialisation (behind its content warning)."""
        record(context, previews(workspace.open(context.log), pairs(context), config.prompts, config.configuration))

    return preview
