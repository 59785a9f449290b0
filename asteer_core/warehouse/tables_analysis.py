"""Declarations of what is concluded: the views that compute in SQL, and the tables that hold what SQL cannot (resampled intervals)."""

from asteer_core.warehouse.schemas import STUDY, Column, Table, count, flag, identity, interval, real, text

_CONCEPT = text("concept", "the violation, or pooled for all concepts together", key=True)
_DETECTOR = text("detector", "detector kind", key=True)
_METRIC = text(
    "metric", "column of corpus_metrics, metric of alternative_metrics, or strength; hm - hm_sc is a difference of correlations", key=True
)
_REASON = text("reason", "why a value is NULL")

_QUALITY: tuple[Column, ...] = (
    *interval("success", "S: mean probability of violation", "0 to 1"),
    *interval("coherence", "C: mean coherence", "0 to 1"),
    *interval("diversity", "D: sqrt(sample * set diversity)", "0 to 1"),
    *interval("hm", "harmonic mean of S, C, D", "0 to 1"),
    real("hm_sc", "harmonic mean of S, C", "0 to 1"),
    real("mean_length", "mean response length", "words"),
    real("displacement", "mean size of the edit relative to the residual norm", "share"),
    real("kl", "mean divergence per token from the unsteered model", "nats"),
    real("vector_separation", "AUROC of the steering vector on its held-out pairs; NULL for baselines and combinations", "0 to 1"),
    flag("weak_vector", "whether that is below what the study asks for; NULL likewise"),
    real("validation_auroc", "AUROC on the validation split; choose with this one", "0 to 1"),
    *interval("auroc", "area under the ROC curve on the real test set", "0 to 1"),
    *interval("difference", "AUROC minus the mean AUROC of prompting", "-1 to 1"),
    real("p", "two-sided p-value of difference", "0 to 1"),
    *interval("difference_best", "AUROC minus that of the best prompt", "-1 to 1"),
    real("p_best", "two-sided p-value of difference_best", "0 to 1"),
    text("flags", "audits above their gate, separated by commas; empty where none"),
    count("rank", "place by AUROC among the rows of the same study, detector, concept and arm", "1 = best"),
)

_LEADERBOARD: tuple[Column, ...] = (
    *identity(),
    text("arm", "steered, prompted, unsteered, random or real", key=True),
    _DETECTOR,
    *_QUALITY,
)

_CORRELATION: tuple[Column, ...] = (
    STUDY, _CONCEPT, _DETECTOR, _METRIC,
    count("n", "steered configurations with both values"),
    *interval("spearman", "rank correlation of the metric with AUROC; pooled: mean Fisher z with weights n - 3", "-1 to 1"),
    real("cluster_lo", "lower end where whole concept x model cells are resampled", "-1 to 1"),
    real("cluster_hi", "upper end where whole concept x model cells are resampled", "-1 to 1"),
    real("p_permutation", "p-value with AUROC shuffled within cells", "0 to 1"),
    *interval("kendall", "Kendall's tau-b of the metric with AUROC", "-1 to 1"),
    *interval("pearson", "linear correlation of the metric with AUROC; pooled as spearman", "-1 to 1"),
    *interval("partial", "Spearman given the ranks of success and coherence, less the metric itself", "-1 to 1"),
    _REASON,
)  # fmt: skip


def _share(name: str, doc: str) -> tuple[Column, ...]:
    """Return a share with two intervals: over whole cells, and Wilson's, which takes configurations as independent."""
    return (
        real(name, doc, "0 to 1"),
        real(f"{name}_lo", "lower end where whole concept x model cells are resampled; NULL below four cells", "0 to 1"),
        real(f"{name}_hi", "upper end where whole concept x model cells are resampled; NULL below four cells", "0 to 1"),
        real(f"{name}_wilson_lo", "lower end of Wilson's interval: configurations as independent, which is too hopeful", "0 to 1"),
        real(f"{name}_wilson_hi", "upper end of Wilson's interval", "0 to 1"),
    )


def _shares(suffix: str, rival: str) -> tuple[Column, ...]:
    return (
        *_share(f"share_wins{suffix}", f"share whose AUROC is above {rival}"),
        *_share(f"share_interval{suffix}", f"share whose interval of the difference to {rival} lies above 0"),
        *_share(f"share_significant{suffix}", f"share above {rival} at p <= .05 after Benjamini-Hochberg over the row"),
        real(f"largest_difference{suffix}", f"largest difference to {rival}; no evidence, being the best of n", "-1 to 1"),
    )


_BEATS: tuple[Column, ...] = (
    STUDY, _CONCEPT, _DETECTOR,
    count("n", "steered configurations with a difference to the mean of prompting"),
    count("n_best", "steered configurations with a difference to the best prompt"),
    *_shares("", "the mean of prompting"),
    *_shares("_best", "the best prompt"),
)  # fmt: skip

_REGRET: tuple[Column, ...] = (
    STUDY, text("concept", "the violation", key=True), _DETECTOR,
    text("model", "the model whose configurations are chosen from, or all", key=True),
    text("rule", "how one chooses: the metric whose best is taken, random, strongest or default_strength", key=True),
    count("n", "configurations that could be chosen"),
    text("configuration_id", "the chosen configuration; NULL where the rule names a set, whose mean counts"),
    real("auroc", "AUROC of the choice", "0 to 1"),
    text("best_configuration_id", "the configuration of the highest AUROC"),
    real("best_auroc", "the highest AUROC", "0 to 1"),
    real("regret", "best_auroc minus auroc", "0 to 1"),
)  # fmt: skip

_RELIABILITY: tuple[Column, ...] = (
    STUDY, _CONCEPT, _DETECTOR,
    count("n", "steered configurations with an AUROC"),
    count("seeds", "training seeds that AUROC is the mean of"),
    count("groups", "prompt groups of the test set"),
    real("reliability", "rank correlation expected between this AUROC and that of other test prompts and seeds; pooled: ceiling squared",
         "0 to 1"),
    real("ceiling", "highest Spearman correlation expected of any metric with AUROC: root of reliability; pooled: mean Fisher z with "
         "weights n - 3", "0 to 1"),
    _REASON,
)  # fmt: skip

_NARROW_BAND: tuple[Column, ...] = (
    STUDY, _CONCEPT, _DETECTOR,
    text("metric", "success, coherence or diversity", key=True),
    count("tercile", "third of the configurations of the concept by the metric", "1 = lowest", key=True),
    real("lowest", "least value in the tercile", "0 to 1"),
    real("highest", "greatest value in the tercile", "0 to 1"),
    count("n", "configurations"),
    count("wins", "of these, AUROC above the mean of prompting"),
    *interval("share_wins", "wins / n, with Wilson's interval", "0 to 1"),
)  # fmt: skip

_AUDIT: tuple[Column, ...] = (
    *identity(),
    text("arm", "steered, prompted, unsteered, random or real", key=True),
    _DETECTOR,
    text("audit", "name of the audit", key=True),
    real("value", "what the audit measured; NULL where it was not made", "0 to 1"),
    real("gate", "where the audit becomes a flag", "0 to 1"),
    flag("flagged", "whether the value is beyond the gate"),
)

_AUDIT_FLAGS: tuple[Column, ...] = (
    STUDY, text("concept", "the violation, or pooled", key=True), _DETECTOR,
    text("arm", "steered, prompted, unsteered, random or real", key=True),
    text("audit", "name of the audit", key=True),
    count("n", "detectors that were audited"),
    count("flagged", "of these, beyond the gate"),
    real("share_flagged", "flagged / n", "0 to 1"),
    real("median_value", "median of what the audit measured", "0 to 1"),
    real("highest_value", "highest value, folded about .5 where the audit is", "0 to 1"),
)  # fmt: skip

_CONFIGURATIONS: tuple[Column, ...] = (
    *identity(),
    text("kind", "steered, or which baseline: prompted, unsteered, random"),
    count("n", "responses"),
    count("n_tokens", "tokens generated", "tokens"),
)

_DETECTORS: tuple[Column, ...] = (
    *identity(),
    text("arm", "where the training positives came from", key=True),
    _DETECTOR,
    count("n_positives", "training positives"),
    count("n_negatives", "training negatives"),
    count("seeds", "training seeds"),
    count("duplicates_removed", "training rows too like a test row, removed"),
    real("prevalence", "share of positives in the test set", "0 to 1"),
)

_STEERED_METRICS: tuple[Column, ...] = (
    STUDY, text("concept", "the violation", key=True), _DETECTOR,
    text("configuration_id", "the steered configuration", key=True),
    real("auroc", "area under the ROC curve on the real test set", "0 to 1"),
    _METRIC,
    real("value", "what the metric is", "see corpus_metrics, alternative_metrics"),
)  # fmt: skip

_JUDGE_LABELS: tuple[Column, ...] = (
    *identity(key=False),
    text("row_id", "one response of one configuration", key=True),
    text("judge", "kind of judge", key=True),
    real("probability", "calibrated probability that the response violates the concept; NULL without a verdict", "0 to 1"),
    flag("violates", "probability >= .5"),
    real("coherence", "the judge's own grade of coherence; NULL where it grades none. C is not made of it", "0 to 1"),
    text("reason", "why there is no verdict; NULL where there is one"),
)

STORED = (
    Table("leaderboard", "stored", "The leaderboard as the analysis stage wrote it.", _LEADERBOARD),
    Table("metric_auroc_correlation", "stored", "Correlations with bootstrap intervals, from the analysis stage.", _CORRELATION),
    Table("beats_prompting", "stored", "Shares that beat prompting with clustered intervals, from the analysis stage.", _BEATS),
    Table("regret", "stored", "Regret of choice rules, from the analysis stage.", (*_REGRET, _REASON)),
)

VIEWS = (
    Table("steered_metrics", "view", "Every steered configuration and metric in one column: what is correlated.", _STEERED_METRICS),
    Table(
        "leaderboard", "view", "Every trained detector with the metrics of its corpus, and the difference to prompting.",
        (*_LEADERBOARD, count("hm_rank", "place by HM among the rows of the same study, detector, concept and arm", "1 = best")),
    ),
    Table(
        "metric_auroc_correlation", "view",
        "Correlation of each metric with AUROC over steered configurations: Spearman and Pearson in SQL, the rest from stored.",
        (
            *_CORRELATION,
            real("ceiling", "highest Spearman correlation expected, AUROC being noisy: see auroc_reliability; NULL for differences",
                 "0 to 1"),
        ),
    ),
    Table("beats_prompting", "view", "Shares of steered configurations that beat prompting: shares in SQL, intervals from stored.", _BEATS),
    Table("baselines", "view", "What steering is compared with: prompted, unsteered, random directions and real texts.", _LEADERBOARD),
    Table("configurations", "view", "Every corpus that was generated, steered or baseline.", _CONFIGURATIONS),
    Table("judge_labels", "view", "The judge's verdict on every response.", _JUDGE_LABELS),
    Table("detectors", "view", "Every trained detector and the size of what it learned from.", _DETECTORS),
    Table("audits", "view", "Every audit of every detector's training set, one row each.", _AUDIT),
    Table("audit_flags", "view", "How often each audit is beyond its gate, by concept, detector and arm.", _AUDIT_FLAGS),
    Table("strength_curves", "view", "Metrics and AUROC along the strengths of each model, method and layer.", _LEADERBOARD),
    Table("narrow_band", "view", "Share of steered configurations that beat prompting, by tercile of S, C and D.", _NARROW_BAND),
    Table("regret", "view", "AUROC lost by choosing with a rule instead of knowing the best configuration, in SQL.", _REGRET),
)  # fmt: skip

RELIABILITY = Table(
    "auroc_reliability", "metrics",
    "How far test prompts and training seeds reorder the configurations by AUROC, and the ceiling that this sets to correlations with it.",
    _RELIABILITY,
)  # fmt: skip

ANALYSIS = (RELIABILITY, *STORED, *VIEWS)
