"""What to beware of before one trusts the answers: what a random direction reaches, and what the audits found."""

import polars as pl

from asteer_core.report.facts import POOLED, Facts
from asteer_core.report.findings import Statement
from asteer_core.report.numbers import number


def cautions(facts: Facts, detector: str) -> tuple[Statement, ...]:
    """Return what the controls and the audits say of one detector kind."""
    return tuple(statement for statement in (_random(facts, detector), _audits(facts, detector)) if statement)


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
        return Statement("The audits are clean", f"None of the {steered.height:,} steered training sets is flagged.", "good")
    names = ", ".join(f"{row['audit']} {row['flagged']:,}" for row in worst.sort("flagged", descending=True).rows(named=True))
    text = (
        f"{flagged.height:,} of {steered.height:,} steered training sets are flagged ({names}): their detectors may have learned something "
        "other than the violation. The section on audits says what each flag means."
    )
    return Statement("Read with caution", text, "bad" if flagged.height > steered.height / 2 else "calm")
