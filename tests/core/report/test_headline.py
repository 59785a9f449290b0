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


def with_correlations(facts: Facts, **values: tuple[float | None, float | None, float | None]) -> Facts:
    """Return the facts with the pooled Spearman correlations of some metrics replaced, and without those of all others."""
    pooled = facts.of("correlations", "embedding").filter(pl.col("concept") == "pooled")
    kept = pooled.filter(pl.col("metric").is_in(list(values))).with_columns(
        pl.col("metric").replace_strict({name: one[place] for name, one in values.items()}, return_dtype=pl.Float64).alias(column)
        for place, column in enumerate(("spearman", "spearman_lo", "spearman_hi"))
    )
    return with_frame(facts, "correlations", kept)


def answers(facts: Facts) -> dict:
    return {statement.question: statement for statement in headline(facts, "embedding").questions}


@pytest.mark.parametrize(
    ("values", "verdict", "says", "tone"),
    [
        ({"hm": (0.6, 0.4, 0.8), "success": (0.5, 0.1, 0.7)}, "The harmonic mean does", "HM of S, C, D +0.60 [+0.40, +0.80]", "good"),
        ({"hm": (0.4, 0.2, 0.6), "success": (0.7, 0.5, 0.9)}, "Success does; the harmonic mean too, less", "+0.70", "good"),
        ({"hm": (-0.6, -0.8, -0.4), "success": (0.7, 0.5, 0.9)}, "Success does; the harmonic mean points the wrong way", "−0.60", "bad"),
        ({"hm": (-0.6, -0.8, -0.4)}, "The harmonic mean points the wrong way", "−0.60 [−0.80, −0.40]", "bad"),
        (
            {"hm": (0.1, -0.3, 0.4), "coherence": (-0.8, -0.9, -0.6)},
            "Low coherence does; the harmonic mean is not shown to",
            "−0.80",
            "calm",
        ),
        ({"hm": (0.3, -0.1, 0.6), "strength": (0.9, 0.8, 1.0)}, "None is shown to", "To beat: strength +0.90 [+0.80, +1.00].", "calm"),
        ({"hm": (0.3, None, None)}, "None is shown to", "HM of S, C, D +0.30 over", "calm"),
        ({"hm": (None, None, None)}, "It cannot be told", "too few configurations", "calm"),
    ],
)
def test_the_metric_that_is_named_follows_from_the_intervals(facts, values, verdict, says, tone):
    found = answers(with_correlations(facts, **values))["Which metric predicts AUROC?"]
    assert (found.verdict, found.tone) == (verdict, tone)
    assert says in found.text


def test_how_high_a_correlation_could_be_is_said_where_it_is_known(facts):
    known = with_correlations(facts, hm=(0.6, 0.4, 0.8))
    frame = known.frames["correlations"].with_columns(ceiling=pl.lit(0.934))
    said = answers(with_frame(known, "correlations", frame))["Which metric predicts AUROC?"].text
    assert said.endswith("make AUROC noisy: no correlation is expected beyond 0.93 in size.")
    assert "noisy" not in answers(known)["Which metric predicts AUROC?"].text


@pytest.mark.parametrize(
    ("share", "ends", "sure", "verdict"),
    [
        (0.8, (0.6, 0.9), 0.5, "Yes, in most configurations"),
        (0.6, (0.4, 0.8), 0.5, "It depends on the configuration"),
        (0.2, (0.1, 0.4), 0.1, "In most configurations they do not"),
        (0.8, (0.6, 0.9), 0.0, "Not beyond chance"),
    ],
)
def test_whether_steering_beats_prompting_follows_from_the_interval_of_the_share(facts, share, ends, sure, verdict):
    values = {"share_wins": share, "share_wins_lo": ends[0], "share_wins_hi": ends[1], "share_significant": sure}
    frame = facts.frames["beats"].with_columns(pl.lit(value, pl.Float64).alias(name) for name, value in values.items())
    found = answers(with_frame(facts, "beats", frame))["Do steered data beat prompting?"]
    assert found.verdict == verdict
    assert f"{100 * share:.0f} %, 95 %: {100 * ends[0]:.0f}–{100 * ends[1]:.0f} %" in found.text


def test_the_configuration_to_use_is_chosen_on_validation_and_reported_on_the_test_set(facts):
    found = answers(facts)["Which configuration to use?"]
    assert [choice.concept for choice in found.choices] == ["evasion", "toxicity"]
    for choice in found.choices:
        own = facts.of("board", "embedding").filter((pl.col("concept") == choice.concept) & (pl.col("arm") == "steered"))
        best = own.filter(pl.col("validation_auroc") == pl.col("validation_auroc").max()).sort("configuration_id").row(0, named=True)
        # In this study the best on validation is the worst on the test set: the two cannot be taken for each other.
        assert best["auroc"] == own["auroc"].min()
        assert choice.configuration == best["configuration_id"].split(":", 1)[1].split("#")[0]
        assert choice.auroc == f"{best['auroc']:.2f} [{best['auroc_lo']:.2f}, {best['auroc_hi']:.2f}]"
    assert "Without real texts, take the highest" in found.text


def test_without_validation_no_configuration_is_named(facts):
    frame = facts.frames["board"].with_columns(validation_auroc=pl.lit(None, pl.Float64))
    found = answers(with_frame(facts, "board", frame))["Which configuration to use?"]
    assert found.verdict == "It cannot be told" and found.choices == ()


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
    assert found.questions[0].verdict == "It cannot be told"


def test_tiles_name_the_kind_of_their_interval(facts):
    tiles = headline(facts, "embedding").tiles
    assert len(tiles) == 4
    assert all("if configurations were independent" in tile.interval for tile in tiles), "one model x two concepts are too few cells"
    assert "95 % if configurations were independent: " in headline(facts, "embedding").questions[0].text
    assert all((tile.bar[1] or 0) <= tile.bar[0] <= (tile.bar[2] or 0) for tile in tiles)


def test_flags_become_a_warning(facts):
    found = {statement.verdict: statement.text for statement in headline(facts, "embedding").statements}
    assert "32 of 32 steered training sets are flagged (length 32)" in found["Read with caution"]


def test_each_detector_kind_has_an_answer_of_its_own(facts):
    assert facts.detectors == ("embedding", "tfidf")
    assert headline(facts, "tfidf").answer != headline(facts, "embedding").answer
