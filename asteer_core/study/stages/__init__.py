"""The stages of the line, in order. Each is a generator that adopts what is stored and yields a `Done` per partition.

One file per stage. A stage reads tables of earlier stages from the store, and nothing else of them.
"""

from asteer_core.study.stages.analysis import VERSION as _ANALYSIS_VERSION
from asteer_core.study.stages.analysis import leaderboard, metric_auroc_correlation
from asteer_core.study.stages.choice import VERSION as _CHOICE_VERSION
from asteer_core.study.stages.choice import choice_regret
from asteer_core.study.stages.corpora import baseline_corpora, steered_corpora
from asteer_core.study.stages.detectors import baseline_detectors, detectors
from asteer_core.study.stages.judges import judges
from asteer_core.study.stages.measurements import baseline_measurements, measurements
from asteer_core.study.stages.metrics import baseline_metrics, corpus_metrics
from asteer_core.study.stages.prompts import contrastive_prompts
from asteer_core.study.stages.report import VERSION as _REPORT_VERSION
from asteer_core.study.stages.report import report
from asteer_core.study.stages.saved_detectors import SAVED_VERSION, saved_detectors
from asteer_core.study.stages.vectors import steering_vectors
from asteer_core.study.stages.warehouse import warehouse
from asteer_core.warehouse import SCHEMA_VERSION as _SCHEMA_VERSION

WHOLE_VERSIONS = {
    "leaderboard": _ANALYSIS_VERSION,
    "saved_detectors": SAVED_VERSION,
    "metric_auroc_correlation": _ANALYSIS_VERSION,
    "choice_regret": _CHOICE_VERSION,
    "warehouse": _SCHEMA_VERSION,
    "report": _REPORT_VERSION,
}
"""The versions of the stages over the whole study."""

__all__ = [
    "WHOLE_VERSIONS",
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
    "measurements",
    "metric_auroc_correlation",
    "report",
    "saved_detectors",
    "steered_corpora",
    "steering_vectors",
    "warehouse",
]
