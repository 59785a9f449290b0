"""Declarations of what is concluded: the views that compute in SQL, and the tables that hold what SQL cannot (resampled intervals)."""

from asteer_core.warehouse.schemas import STUDY, Column, Table, count, identity, interval, real, text

_CONCEPT = text("concept", "the violation, or pooled for all concepts together", key=True)
_DETECTOR = text("detector", "detector kind", key=True)
_METRIC = text("metric", "column of corpus_metrics, or strength", key=True)

_QUALITY: tuple[Column, ...] = (
    real("success", "S: mean probability of violation", "0 to 1"),
    real("coherence", "C: mean coherence", "0 to 1"),
    real("diversity", "D: sqrt(sample * set diversity)", "0 to 1"),
    real("hm", "harmonic mean of S, C, D", "0 to 1"),
    real("hm_sc", "harmonic mean of S, C", "0 to 1"),
    *interval("auroc", "area under the ROC curve on the real test set", "0 to 1"),
    *interval("difference", "AUROC minus the mean AUROC of prompting", "-1 to 1"),
    real("p", "two-sided p-value of difference", "0 to 1"),
    *interval("difference_best", "AUROC minus that of the best prompt", "-1 to 1"),
)

_LEADERBOARD: tuple[Column, ...] = (
    *identity(),
    text("arm", "steered, prompted, prompted_best, unsteered, random or real", key=True),
    _DETECTOR,
    *_QUALITY,
    text("flags", "audits above their gate; NULL where none"),
)

_CORRELATION: tuple[Column, ...] = (
    STUDY, _CONCEPT, _DETECTOR, _METRIC,
    count("n", "steered configurations"),
    *interval("spearman", "rank correlation of the metric with AUROC; pooled: mean Fisher z with weights n - 3", "-1 to 1"),
    real("kendall", "Kendall's tau-b of the metric with AUROC", "-1 to 1"),
    real("pearson", "linear correlation of the metric with AUROC; pooled as spearman", "-1 to 1"),
    text("reason", "why a value is NULL"),
)  # fmt: skip

_BEATS: tuple[Column, ...] = (
    STUDY, _CONCEPT, _DETECTOR,
    count("n", "steered configurations with a difference to prompting"),
    *interval("share_wins", "share whose AUROC is above the mean of prompting", "0 to 1"),
    *interval("share_interval", "share whose interval of the difference lies above 0", "0 to 1"),
    *interval("share_significant", "share that wins at p <= .05 after Benjamini-Hochberg over the configurations of the row", "0 to 1"),
)  # fmt: skip

_REGRET: tuple[Column, ...] = (
    STUDY, text("concept", "the violation", key=True), _DETECTOR,
    text("rule", "how one chooses: the metric whose best configuration is taken, random, or default_strength", key=True),
    text("configuration_id", "the chosen configuration; NULL where the rule names a set, whose mean counts"),
    real("auroc", "AUROC of the choice", "0 to 1"),
    text("best_configuration_id", "the configuration of the highest AUROC"),
    real("best_auroc", "the highest AUROC", "0 to 1"),
    real("regret", "best_auroc minus auroc", "0 to 1"),
)  # fmt: skip

STORED = (
    Table("leaderboard", "stored", "The leaderboard as the analysis stage wrote it.", _LEADERBOARD),
    Table("metric_auroc_correlation", "stored", "Correlations with bootstrap intervals, from the analysis stage.", _CORRELATION),
    Table("beats_prompting", "stored", "Shares that beat prompting with clustered intervals, from the analysis stage.", _BEATS),
    Table("regret", "stored", "Regret of choice rules, from the analysis stage.", _REGRET),
)

VIEWS = (
    Table(
        "leaderboard", "view", "Every corpus with its metrics, its detectors' AUROC and the difference to prompting; ranks among steered.",
        (
            *_LEADERBOARD,
            count("auroc_rank", "rank by AUROC among the steered of its study, concept and detector", "1 = best"),
            count("hm_rank", "rank by HM among the same", "1 = best"),
        ),
    ),
    Table(
        "metric_auroc_correlation", "view",
        "Correlation of each metric with AUROC over steered configurations, computed in SQL; intervals and Kendall from stored.",
        _CORRELATION,
    ),
    Table(
        "beats_prompting", "view", "The three shares of steered configurations that beat prompting, computed in SQL; intervals from stored.",
        (*_BEATS, real("best_difference", "largest difference to prompting; optimistic, being the best of n", "-1 to 1")),
    ),
    Table(
        "strength_curves", "view", "Metrics and AUROC along the strengths of each model, method and layer.",
        (*identity(), _DETECTOR, *_QUALITY),
    ),
    Table(
        "narrow_band", "view", "Share of steered configurations that beat prompting, by tercile of S, C and D.",
        (
            STUDY, _CONCEPT, _DETECTOR, text("metric", "success, coherence or diversity", key=True),
            count("tercile", "third of the configurations of the concept by the metric", "1 = lowest", key=True),
            real("lowest", "least value in the tercile", "0 to 1"),
            real("highest", "greatest value in the tercile", "0 to 1"),
            count("n", "configurations"),
            count("wins", "of these, AUROC above the mean of prompting"),
            real("share_wins", "wins / n", "0 to 1"),
        ),
    ),
    Table("regret", "view", "AUROC lost by choosing with a rule instead of knowing the best configuration, computed in SQL.", _REGRET),
)  # fmt: skip

ANALYSIS = (*STORED, *VIEWS)
