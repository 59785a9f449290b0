"""The three questions of a study in plain sentences: do steered data beat prompting, which metric tells in advance, what to take.

Belongs here: which verdict a number with its interval becomes. Does not: numbers of its own, or what to beware of (`cautions.py`).
Every verdict follows from an interval, and says plainly when nothing can be told.
"""

from typing import Any

import polars as pl

from asteer_core.report.facts import POOLED, Facts
from asteer_core.report.findings import Choice, Statement
from asteer_core.report.numbers import number, percent, percent_span, span
from asteer_core.report.theme import METRICS, in_words
from asteer_core.types import key_of

AXES = ("success", "coherence", "diversity", "hm", "hm_sc")
"""Metrics of a corpus among which the best is named."""
RIVALS = ("strength", "mean_length")
"""What a metric must beat to be worth computing."""
CHOICES = 8
"""Concepts whose choice stands on the first screen."""

BEATS, PREDICTS, TAKE = "Do steered data beat prompting?", "Which metric predicts AUROC?", "Which configuration to use?"
RULES = {"random": "any one at random", "strongest": "the strongest dial", "default_strength": "the middle strength"}


def questions(facts: Facts, detector: str) -> tuple[Statement, ...]:
    """Return the answers that one detector kind gives."""
    return beats(facts, detector), predicts(facts, detector), take(facts, detector)


def pooled(facts: Facts, name: str, detector: str) -> dict[str, Any] | None:
    """Return the row over all concepts, or None where there is none."""
    rows = facts.of(name, detector).filter(pl.col("concept") == POOLED)
    return rows.row(0, named=True) if rows.height else None


def ends_of(row: dict[str, Any], share: str) -> tuple[Any, Any, str]:
    """Return the ends of the interval of a share, and what kind it is."""
    if row[f"{share}_lo"] is not None:
        return row[f"{share}_lo"], row[f"{share}_hi"], "95 %"
    # Too few concept x model cells cannot be resampled; Wilson's interval is too hopeful.
    return row[f"{share}_wilson_lo"], row[f"{share}_wilson_hi"], "95 % if configurations were independent"


def beats(facts: Facts, detector: str) -> Statement:
    """Return whether the detectors of steered corpora are better than those of prompted ones."""
    row = pooled(facts, "beats", detector)
    if not row or not row["n"]:
        return Statement("It cannot be told", "No steered configuration has a difference to prompting.", "calm", BEATS)
    n, (low, high, kind) = row["n"], ends_of(row, "share_wins")
    wins, sure = round(row["share_wins"] * n), round(row["share_significant"] * n)
    text = (
        f"{wins:,} of {n:,} configurations ({percent(row['share_wins'])}, {kind}: {percent_span(low, high)}) give a better detector than "
        f"prompting does on average; in {sure:,} the difference is beyond chance."
    )
    if row["share_wins_best"] is not None:
        low_best, high_best, _ = ends_of(row, "share_wins_best")
        text += f" Against the best prompt it is {percent(row['share_wins_best'])} ({percent_span(low_best, high_best)})."
    text = f"{text} {_by_concept(facts, detector)}".rstrip()
    if sure == 0:
        return Statement("Not beyond chance", text, "bad", BEATS)
    if low > 0.5:
        return Statement("Yes, in most configurations", text, "good", BEATS)
    if high < 0.5:
        return Statement("In most configurations they do not", text, "bad", BEATS)
    return Statement("It depends on the configuration", text, "calm", BEATS)


def _by_concept(facts: Facts, detector: str) -> str:
    parts = facts.of("beats", detector).filter(pl.col("concept") != POOLED).sort("share_wins", "concept", descending=[True, False])
    shares = [f"{concept} {percent(share)}" for concept, share in parts.select("concept", "share_wins").rows()]
    if len(shares) > CHOICES:
        return f"By concept from {shares[0]} down to {shares[-1]}."
    return _sentence("By concept", shares)


def predicts(facts: Facts, detector: str) -> Statement:
    """Return which metric of a corpus goes with the AUROC of the detector that learns from it, and whether the harmonic mean does."""
    rows = facts.of("correlations", detector).filter((pl.col("concept") == POOLED) & pl.col("spearman").is_not_null())
    found = {row["metric"]: row for row in rows.rows(named=True)}
    axes = [found[name] for name in AXES if name in found]
    if not axes:
        return Statement("It cannot be told", "No metric has a correlation with AUROC: too few configurations.", "calm", PREDICTS)
    told = [row for row in axes if _sign(row)]
    best = max(told or axes, key=lambda row: abs(row["spearman"]))
    others = [_rho(row) for row in sorted(axes, key=lambda row: -row["spearman"]) if row is not best]
    text = f"{_rho(best)} over {best['n']:,} configurations (Spearman, 95 %). {_sentence('Beside it', others)}"
    rival = max((found[name] for name in RIVALS if name in found), key=lambda row: abs(row["spearman"]), default=None)
    if rival:
        text += f" To beat: {_rho(rival, in_words(rival['metric']))}."
    if best["ceiling"] is not None:
        text += f" Test prompts and training seeds make AUROC noisy: no correlation is expected beyond {number(best['ceiling'])} in size."
    verdict, tone = _verdict(told, best, found.get("hm"))
    return Statement(verdict, text, tone, PREDICTS)


def _sign(row: dict[str, Any]) -> int:
    """Return the sign of a correlation whose interval leaves out 0, else 0."""
    low, high = row["spearman_lo"], row["spearman_hi"]
    return 0 if low is None or high is None or low <= 0 <= high else (1 if low > 0 else -1)


def _verdict(told: list[dict[str, Any]], best: dict[str, Any], hm: dict[str, Any] | None) -> tuple[str, Any]:
    if not told:
        return "None is shown to", "calm"
    if best["metric"] == "hm":
        return ("The harmonic mean does", "good") if _sign(best) > 0 else ("The harmonic mean points the wrong way", "bad")
    name = METRICS[best["metric"]] if _sign(best) > 0 else f"Low {in_words(best['metric'])}"
    if hm is None:
        return f"{name} does", "calm"
    of_hm = {1: "the harmonic mean too, less", -1: "the harmonic mean points the wrong way", 0: "the harmonic mean is not shown to"}
    return f"{name} does; {of_hm[_sign(hm)]}", ("good", "bad", "calm")[(1, -1, 0).index(_sign(hm))]


def _rho(row: dict[str, Any], name: str | None = None) -> str:
    ends = span(row["spearman_lo"], row["spearman_hi"], signed=True)
    return f"{name or METRICS[row['metric']]} {number(row['spearman'], signed=True)} {ends}".rstrip()


def _sentence(start: str, parts: list[str]) -> str:
    return f"{start}: {', '.join(parts)}." if parts else ""


def take(facts: Facts, detector: str) -> Statement:
    """Return the configuration of each concept that is best on validation texts, with what it reaches on the test texts."""
    board = facts.of("board", detector).filter(pl.col("configuration_id").is_in(facts.steered["configuration_id"].implode()))
    known = board.filter(pl.col("validation_auroc").is_not_null() & pl.col("auroc").is_not_null())
    chosen = known.sort("validation_auroc", "configuration_id", descending=[True, False]).unique("concept", keep="first").sort("concept")
    blind = _without_real_texts(facts, detector)
    if not chosen.height:
        return Statement("It cannot be told", f"No detector was measured on validation texts. {blind}".rstrip(), "calm", TAKE)
    listed = tuple(_choice(row) for row in chosen.head(CHOICES).rows(named=True))
    more = f" The first {CHOICES} of {chosen.height} concepts are listed." if chosen.height > CHOICES else ""
    methods = chosen["method"].unique().to_list()
    verdict = "It depends on the concept" if len(methods) > 1 else f"{methods[0]}, at the dial below"
    compared = chosen.filter(pl.col("difference").is_not_null())
    text = "Best on validation texts, measured on test texts that had no say."
    tone = "calm"
    if compared.height:
        sure = int((compared["difference_lo"] > 0).sum())
        mean = number(compared["difference"].mean(), signed=True)
        text += f" The difference to prompting has an interval above 0 in {sure} of {compared.height} concepts; it is {mean} on average."
        tone = "good" if sure > compared.height / 2 else "calm"
    return Statement(verdict, f"{text}{more} {blind}".rstrip(), tone, TAKE, listed)  # pyright: ignore[reportArgumentType]


def _choice(row: dict[str, Any]) -> Choice:
    auroc = f"{number(row['auroc'])} {span(row['auroc_lo'], row['auroc_hi'])}".rstrip()
    signed = f"{number(row['difference'], signed=True)} {span(row['difference_lo'], row['difference_hi'], signed=True)}".rstrip()
    return Choice(row["concept"], key_of(row["configuration_id"]), auroc, signed)


def _without_real_texts(facts: Facts, detector: str) -> str:
    """Return what to choose by where there is no real text to validate on, and what that costs."""
    rows = facts.of("regret", detector).filter((pl.col("model") == "all") & pl.col("regret").is_not_null())
    mean = {rule: (lost, worst) for rule, lost, worst in rows.group_by("rule").agg(
        pl.col("regret").mean(), pl.col("regret").max().alias("worst")).rows()}  # fmt: skip
    if not mean:
        return ""
    best = min(mean, key=lambda rule: (mean[rule][0], rule))
    name = RULES.get(best) or f"the highest {in_words(best)}"
    lost, worst = (number(value, 3) for value in mean[best])
    text = f"Without real texts, take {name}: it loses {lost} AUROC to the best in hindsight (at most {worst})"
    rest = [f"{what} {number(mean[rule][0], 3)}" for rule, what in (("hm", "the highest harmonic mean"), ("random", "any one at random"))
            if rule in mean and rule != best]  # fmt: skip
    return f"{text}; {', '.join(rest)}." if rest else f"{text}."
