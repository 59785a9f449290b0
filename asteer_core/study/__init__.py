"""A study from its file to its results: plan, workspace, the stages, and the line that runs them in order.

Belongs here: what depends on what, and reuse of stored results. Does not: formulas (their own rooms) or Dagster.
"""

from asteer_core.study.done import Done, PartialFailure
from asteer_core.study.line import run_line
from asteer_core.study.plan import Plan, plan
from asteer_core.study.stages import (
    baseline_corpora,
    baseline_detectors,
    baseline_measurements,
    baseline_metrics,
    choice_regret,
    contrastive_prompts,
    corpus_metrics,
    detectors,
    judges,
    leaderboard,
    measurements,
    metric_auroc_correlation,
    report,
    saved_detectors,
    steered_corpora,
    steering_vectors,
    warehouse,
)
from asteer_core.study.study import Study, list_presets, load_study, parse_study
from asteer_core.study.workspace import Workspace

__all__ = [
    "Done",
    "PartialFailure",
    "Plan",
    "Study",
    "Workspace",
    "baseline_corpora",
    "baseline_detectors",
    "baseline_measurements",
    "baseline_metrics",
    "choice_regret",
    "contrastive_prompts",
    "corpus_metrics",
    "detectors",
    "judges",
    "leaderboard",
    "list_presets",
    "load_study",
    "measurements",
    "metric_auroc_correlation",
    "parse_study",
    "plan",
    "report",
    "run_line",
    "saved_detectors",
    "steered_corpora",
    "steering_vectors",
    "warehouse",
]
