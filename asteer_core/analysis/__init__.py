"""What the study concludes: which metric predicts AUROC, how often steering beats prompting, what a choice by metric costs.

Doors take and return polars frames (`correlations`, `beats_prompting`, `regret`, `narrow_band`, `leaderboard`; input: `FRAME`);
statistics take numpy arrays.
"""

from asteer_core.analysis.correlations import correlations
from asteer_core.analysis.leaderboard import leaderboard
from asteer_core.analysis.multiplicity import benjamini_hochberg
from asteer_core.analysis.narrow_band import narrow_band
from asteer_core.analysis.permutation import permutation_p
from asteer_core.analysis.pooling import fisher_pool
from asteer_core.analysis.prompting import beats_prompting, beats_prompting_by_method
from asteer_core.analysis.proportions import cluster_share_interval, wilson_interval
from asteer_core.analysis.rank_correlation import kendall, midranks, partial_spearman, pearson, spearman
from asteer_core.analysis.regret import regret
from asteer_core.analysis.reliability import Reliability, pooled_ceiling, reliability_ceiling
from asteer_core.analysis.resampling import interval, over_cells, within_cells
from asteer_core.analysis.schema import FRAME, METRICS, POOLED

__all__ = [
    "FRAME", "METRICS", "POOLED", "Reliability", "beats_prompting", "beats_prompting_by_method", "benjamini_hochberg",
    "cluster_share_interval", "correlations", "fisher_pool", "interval", "kendall", "leaderboard", "midranks", "narrow_band", "over_cells",
    "partial_spearman", "pearson", "permutation_p", "pooled_ceiling", "regret", "reliability_ceiling", "spearman", "wilson_interval",
    "within_cells",
]  # fmt: skip
