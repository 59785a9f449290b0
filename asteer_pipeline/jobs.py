"""The pipeline's steps and jobs. What does not belong here: runs started by the command line (`runner`), and when a job runs (`sensors`).

A Dagster run holds assets of one partition definition, and one that loads a language model holds a place in the GPU pool to its end.
So a study is a few steps, numbered in the order in which they are run: each takes the stages over one partition definition that do
(or do not) load a model. To make everything at once, use "Materialize all" on the asset graph, or `asteer study run`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from asteer_pipeline.engines import chosen_executor, gpu_tags
from asteer_pipeline.on_demand import GROUP as ON_DEMAND
from asteer_pipeline.partitions import StudyPartitions
from asteer_pipeline.stage import GPU

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

STEP_TAG = "asteer/step"


@dataclass(frozen=True)
class Step:
    """Stages that one run makes together.

    Attributes:
        name: name of the job.
        assets: what it makes.
        axis: dimension beside the concept: vector, model or configuration; "" for stages by concept alone; None for the whole study.
        description: what it makes, in words.
        gpu: whether it loads a language model.
    """

    name: str
    assets: tuple[str, ...]
    axis: str | None
    description: str
    gpu: bool = False


def build_steps(assets: Sequence[dg.AssetsDefinition], parts: StudyPartitions) -> list[Step]:
    """Return the steps of a study in the order in which they are run."""
    whole = [asset for asset in assets if ON_DEMAND not in asset.group_names_by_key.values()]

    def chosen(definition: dg.PartitionsDefinition | None, gpu: bool) -> tuple[str, ...]:
        found = [asset for asset in whole if asset.partitions_def == definition and (asset.op.pool == GPU) == gpu]
        return tuple(asset.key.to_user_string() for asset in found)

    judges = chosen(parts.concept, True)
    asked = [Step("study_1_judges", judges, "", "Judges of the chosen concepts, which ask a model.", True)] if judges else []
    return [
        Step("study_1_concepts", chosen(parts.concept, False), "", "Contrastive prompts and judges of the chosen concepts."),
        *asked,
        Step("study_2_vectors", chosen(parts.vector, True), "vector", "Steering vectors of the chosen concepts, models and methods.", True),
        Step("study_3_baselines", chosen(parts.model, True), "model", "Unsteered, prompted and random-direction corpora, measured.", True),
        Step("study_4_baseline_scores", chosen(parts.model, False), "model", "Metrics and detectors of the baselines."),
        Step("study_5_corpora", chosen(parts.configuration, True), "configuration", "Steered corpora, measured.", True),
        Step("study_6_scores", chosen(parts.configuration, False), "configuration", "Metrics and detectors of the steered corpora."),
        Step("study_7_results", chosen(None, False), None, "Leaderboard, correlations, the warehouse and the report."),
    ]


def build_jobs(steps: Sequence[Step]) -> "list[UnresolvedAssetJobDefinition]":
    """Return the job of every step; by default it runs in one process, so that its assets share the loaded models."""
    return [
        dg.define_asset_job(
            step.name,
            selection=dg.AssetSelection.assets(*step.assets),
            executor_def=chosen_executor(),
            description=f"{step.description} Stored results that are still current are adopted, not made again.",
            tags={STEP_TAG: step.name, **(gpu_tags() if step.gpu else {})},
        )
        for step in steps
    ]
