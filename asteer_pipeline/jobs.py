"""The pipeline's jobs. What does not belong here: runs started by the command line (`runner`).

A Dagster job holds assets of one partition definition, so a study is five jobs, numbered in the order in which they are run.
To make everything at once, use "Materialize all" on the asset graph, or `asteer study run`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from asteer_pipeline.partitions import StudyPartitions

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def build_jobs(assets: Sequence[dg.AssetsDefinition], parts: StudyPartitions) -> "list[UnresolvedAssetJobDefinition]":
    """Return the jobs of a study; each runs in one process, so that its assets share the loaded models."""
    steps: list[tuple[str, dg.PartitionsDefinition | None, str]] = [
        ("study_1_concepts", parts.concept, "Contrastive prompts and judges of the chosen concepts."),
        ("study_2_vectors", parts.vector, "Steering vectors of the chosen concepts, models and methods."),
        ("study_3_baselines", parts.model, "Unsteered, prompted and random-direction corpora, measured, scored, with their detectors."),
        ("study_4_configurations", parts.configuration, "Steered corpora, measured, scored, with their detectors."),
        ("study_5_results", None, "Leaderboard, correlations, the warehouse and the report."),
    ]
    return [
        dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(*[asset.key for asset in assets if asset.partitions_def == definition]),
            executor_def=dg.in_process_executor,
            description=f"{description} Stored results that are still current are adopted, not made again.",
        )
        for name, definition, description in steps
    ]
