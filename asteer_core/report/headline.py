"""The answer in sentences: how often steering beats prompting, whether the heuristic holds, what a choice costs, what to beware of.

Belongs here: which sentence a number becomes. Does not: numbers of its own. Every verdict follows from an interval, and says plainly
when the heuristic does not hold or nothing can be told.
"""

from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from asteer_core.report.facts import POOLED, Facts
from asteer_core.report.numbers import number, percent, percent_span, span
from asteer_core.report.theme import METRICS

Tone = Literal["good", "bad", "calm"]
BASIC = ("success", "coherence", "diversity", "strength", "mean_length")


@dataclass(frozen=True)
class Tile:
    """One headline number: its label, value, interval in words, and the three positions of its bar (0 to 1, None = none)."""

    label: str
    value: str
    interval: str
    bar: tuple[float, float | None, float | None]


@dataclass(frozen=True)
class Statement:
    """One finding: a short verdict and the sentences behind it."""

    verdict: str
    text: str
    tone: Tone


@dataclass(frozen=True)
class Headline:
    """What one detector kind says."""

    detector: str
    answer: str
    tiles: tuple[Tile, ...]
    statements: tuple[Statement, ...]


def headline(facts: Facts, detector: str) -> Headline:
    """Return the answer that one detector kind gives."""
    beats = _pooled(facts, "beats", detector)
    statements = (_heuristic(facts, detector), _choice(facts, detector), _random(facts, detector), _audits(facts, detector))
    return Headline(detector, _answer(beats), _tiles(beats), tuple(statement for statement in statements if statement))


def _pooled(facts: Facts, name: str, detector: str) -> dict[str, Any] | None:
    rows = facts.of(name, detector).filter(pl.col("concept") == POOLED)
    return rows.row(0, named=True) if rows.height else None


def _answer(beats: dict[str, Any] | None) -> str:
    if not beats or not beats["n"]:
        return "Whether steered data beat prompting cannot be told: no configuration has a difference to prompting."
    n = beats["n"]
    wins, sure = round(beats["share_wins"] * n), round(beats["share_significant"] * n)
    what = f"Steered data beat prompting in {wins} of {n} configurations"
    if sure == 0:
        return f"{what}, but in none of them beyond chance."
    return f"{what}, in {sure} of them beyond chance."


def _tiles(beats: dict[str, Any] | None) -> tuple[Tile, ...]:
    if not beats or not beats["n"]:
        return ()
    shares = (
        ("share_wins", "above the mean of prompting"),
        ("share_significant", "above it beyond chance (Benjamini-Hochberg)"),
        ("share_wins_best", "above the best prompt"),
        ("share_significant_best", "above the best prompt beyond chance"),
    )
    return tuple(_tile(beats, name, label) for name, label in shares if beats[name] is not None)


def _tile(beats: dict[str, Any], name: str, label: str) -> Tile:
    low, high, kind = beats[f"{name}_lo"], beats[f"{name}_hi"], "95 %"
    if low is None:
        # Too few concept x model cells to resample them.
        low, high, kind = beats[f"{name}_wilson_lo"], beats[f"{name}_wilson_hi"], "95 % if configurations were independent"
    return Tile(label, percent(beats[name]), f"{percent_span(low, high)} ({kind})" if low is not None else "", (beats[name], low, high))


def _heuristic(facts: Facts, detector: str) -> Statement | None:
    rows = facts.of("correlations", detector).filter((pl.col("concept") == POOLED) & pl.col("spearman").is_not_null())
    found = {row["metric"]: row for row in rows.rows(named=True)}
    if "hm" not in found:
        return Statement("The heuristic cannot be judged", "The harmonic mean has no correlation with AUROC here.", "calm")
    hm, best = found["hm"], max((found[name] for name in BASIC if name in found), key=lambda row: abs(row["spearman"]))
    rho = f"Spearman {number(hm['spearman'], signed=True)} {span(hm['spearman_lo'], hm['spearman_hi'], signed=True)}".rstrip()
    reach = f"{number(best['spearman'], signed=True)} {span(best['spearman_lo'], best['spearman_hi'], signed=True)}".rstrip()
    rival = f"{METRICS[best['metric']]} alone reaches {reach}."
    who = "The harmonic mean of success, coherence and diversity"
    if hm["spearman_lo"] is None or hm["spearman_lo"] <= 0 <= hm["spearman_hi"]:
        return Statement("The heuristic is not shown to hold", f"{who} does not tell good corpora from bad ones ({rho}). {rival}", "calm")
    if hm["spearman_hi"] < 0:
        text = f"{who} points the wrong way: the higher it is, the worse the detector ({rho}). {rival}"
        return Statement("The heuristic does not hold", text, "bad")
    extra = rival if abs(best["spearman"]) > hm["spearman"] else f"No part of it alone does better: {rival}"
    return Statement("The heuristic holds", f"{who} foretells the detector's AUROC ({rho}). {extra}", "good")


def _choice(facts: Facts, detector: str) -> Statement | None:
    rows = facts.of("regret", detector).filter((pl.col("model") == "all") & pl.col("regret").is_not_null())
    mean = dict(rows.group_by("rule").agg(pl.col("regret").mean()).rows())
    if "hm" not in mean or "random" not in mean:
        return None
    best = min(mean, key=lambda rule: (mean[rule], rule))
    better = mean["hm"] < mean["random"]
    named = {"random": "any one at random", "strongest": "the strongest dial", "default_strength": "the middle strength"}
    other = named.get(best) or METRICS.get(best) or best
    text = (
        f"Taking the configuration of the highest harmonic mean loses {number(mean['hm'], 3)} AUROC to the best in hindsight, on average "
        f"over concepts; taking any one at random loses {number(mean['random'], 3)}."
    )
    if best not in ("hm", "random"):
        text += f" The cheapest rule here is {other.lower()}: {number(mean[best], 3)}."
    verdict = "Choosing by it is better than chance" if better else "Choosing by it is no better than chance"
    return Statement(verdict, text, "good" if better else "bad")


def _random(facts: Facts, detector: str) -> Statement | None:
    board = facts.of("board", detector)
    random, steered = (board.filter(pl.col("arm") == arm)["difference"].drop_nulls() for arm in ("random", "steered"))
    if not random.len() or not steered.len():
        return None
    wins = int((random > 0).sum())
    text = (
        f"A random direction of the same size, which steers towards nothing, beats prompting in {wins} of {random.len()} corpora (mean "
        f"difference {number(random.mean(), 3, signed=True)}; steered: {number(steered.mean(), 3, signed=True)})."
    )
    if wins:
        return Statement(
            "Part of the gain needs no concept", f"{text} A detector can also learn that broken text is unlike normal text.", "calm"
        )
    return Statement("The gain comes from the direction", text, "good")


def _audits(facts: Facts, detector: str) -> Statement | None:
    steered = facts.of("board", detector).filter((pl.col("arm") == "steered") & pl.col("auroc").is_not_null())
    if not steered.height:
        return None
    flagged = steered.filter(pl.col("flags").fill_null("") != "")
    worst = facts.of("audits", detector).filter((pl.col("concept") == POOLED) & (pl.col("arm") == "steered") & (pl.col("flagged") > 0))
    if not flagged.height:
        return Statement("The audits are clean", f"None of the {steered.height} steered training sets is flagged.", "good")
    names = ", ".join(f"{row['audit']} {row['flagged']}" for row in worst.sort("flagged", descending=True).rows(named=True))
    text = (
        f"{flagged.height} of {steered.height} steered training sets are flagged ({names}): their detectors may have learned something "
        "other than the violation. The section on audits says what each flag means."
    )
    return Statement("Read with caution", text, "bad" if flagged.height > steered.height / 2 else "calm")
