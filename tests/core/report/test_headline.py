"""The answer in words follows from the intervals, whatever way they fall."""

from pathlib import Path

import polars as pl
import pytest

from asteer_core.report.facts import Facts, gather
from asteer_core.report.headline import headline


@pytest.fixture(scope="session")
def facts(reported: Path) -> Facts:
    return gather("demo", reported)


def with_frame(facts: Facts, name: str, frame: pl.DataFrame) -> Facts:
    return Facts(facts.study, {**facts.frames, name: frame}, facts.samples)


def with_hm(facts: Facts, spearman: float | None, low: float | None, high: float | None) -> Facts:
    chosen = (pl.col("metric") == "hm") & (pl.col("concept") == "pooled")
    values = {"spearman": spearman, "spearman_lo": low, "spearman_hi": high}
    frame = facts.frames["correlations"].with_columns(
        pl.when(chosen).then(pl.lit(value, pl.Float64)).otherwise(pl.col(name)).alias(name) for name, value in values.items()
    )
    return with_frame(facts, "correlations", frame)


@pytest.mark.parametrize(
    ("values", "verdict", "says"),
    [
        ((0.6, 0.4, 0.8), "The heuristic holds", "foretells"),
        ((-0.6, -0.8, -0.4), "The heuristic does not hold", "points the wrong way"),
        ((0.3, -0.1, 0.6), "The heuristic is not shown to hold", "does not tell"),
        ((0.3, None, None), "The heuristic is not shown to hold", "+0.30)"),
        ((None, None, None), "The heuristic cannot be judged", "no correlation"),
    ],
)
def test_the_verdict_on_the_heuristic_follows_from_its_interval(facts, values, verdict, says):
    found = {statement.verdict: statement.text for statement in headline(with_hm(facts, *values), "embedding").statements}
    assert says in found[verdict]
    assert sum(name.startswith("The heuristic") for name in found) == 1


def test_the_answer_counts_wins_and_wins_beyond_chance(facts):
    beats = facts.of("beats", "embedding").filter(pl.col("concept") == "pooled").row(0, named=True)
    wins, sure = round(beats["share_wins"] * beats["n"]), round(beats["share_significant"] * beats["n"])
    steered = facts.of("board", "embedding").filter(pl.col("arm") == "steered")
    assert wins == (steered["difference"] > 0).sum()
    assert (
        headline(facts, "embedding").answer
        == f"Steered data beat prompting in {wins} of 32 configurations, in {sure} of them beyond chance."
    )


def test_without_a_significant_win_the_answer_says_so(facts):
    frame = facts.frames["beats"].with_columns(share_significant=pl.lit(0.0))
    assert headline(with_frame(facts, "beats", frame), "embedding").answer.endswith("but in none of them beyond chance.")


def test_without_prompting_nothing_is_claimed(facts):
    found = headline(with_frame(facts, "beats", facts.frames["beats"].head(0)), "embedding")
    assert "cannot be told" in found.answer and found.tiles == ()


def test_tiles_name_the_kind_of_their_interval(facts):
    tiles = headline(facts, "embedding").tiles
    assert len(tiles) == 4
    assert all("if configurations were independent" in tile.interval for tile in tiles), "one model x two concepts are too few cells"
    assert all(tile.bar[1] <= tile.bar[0] <= tile.bar[2] for tile in tiles)


def test_flags_become_a_warning(facts):
    found = {statement.verdict: statement.text for statement in headline(facts, "embedding").statements}
    assert "32 of 32 steered training sets are flagged (length 32)" in found["Read with caution"]


def test_each_detector_kind_has_an_answer_of_its_own(facts):
    assert facts.detectors == ("embedding", "tfidf")
    assert headline(facts, "tfidf").answer != headline(facts, "embedding").answer
