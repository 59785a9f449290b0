"""What the study found, for those who look."""

import dagster as dg

from asteer_core import study as core
from asteer_pipeline.partitions import StudyPartitions
from asteer_pipeline.recording import record
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.stage import stage


def build(parts: StudyPartitions) -> dg.AssetsDefinition:
    """Return the asset `report`."""

    @stage(group="warehouse", kinds={"html", "altair"}, deps=["warehouse"])
    def report(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        """One self-contained HTML file: the answer in a sentence, figures with their tables, samples, provenance."""
        record(context, core.report(workspace.open(context.log)))

    return report
