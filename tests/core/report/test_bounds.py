"""A report of any number of configurations stays small, says what it leaves out, and counts everything all the same."""

import itertools
import re
import time

import polars as pl
import pytest

from asteer_core.report.bounds import best_and_spread, said, spread
from asteer_core.report.facts import Facts, gather
from asteer_core.report.figures import build_figures
from asteer_core.report.headline import headline
from asteer_core.report.page import render

LIMIT = 5_000_000
COPIES = ("board", "vectors", "beats", "correlations", "bands", "regret", "audits")


@pytest.fixture(scope="module")
def facts(reported) -> Facts:
    return gather("demo", reported)


def grown(facts: Facts, concepts: int, layers: int) -> Facts:
    """Return the facts of a study with so many concepts, each with so many times the layers (16 steered configurations each)."""
    names = pl.DataFrame({"concept": ["evasion"] * concepts, "new": [f"concept-{i:04}" for i in range(concepts)]})
    blocks = pl.DataFrame({"block": range(layers)}, schema={"block": pl.Int64})
    frames = dict(facts.frames)
    for name in COPIES:
        own, pooled = (frames[name].filter(pl.col("concept") == concept) for concept in ("evasion", "pooled"))
        more = own.join(names, on="concept").with_columns(concept=pl.col("new")).drop("new")
        if "configuration_id" in more.columns and name == "board":
            steered = (
                more.filter(pl.col("arm") == "steered").join(blocks, how="cross").with_columns(layer=pl.col("layer") + 2 * pl.col("block"))
            )
            identity = pl.format("{}:tiny:{}:L{}:s{}#0", "concept", "method", "layer", "strength")
            wave = 0.2 * (pl.col("block") * 12.9898 + pl.col("strength")).sin()
            steered = steered.with_columns(configuration_id=identity, auroc=pl.col("auroc") + wave, difference=pl.col("difference") + wave)
            baselines = more.filter(pl.col("arm") != "steered").with_columns(
                configuration_id=pl.format("{}{}", "concept", pl.col("configuration_id").str.slice(7))
            )
            more = pl.concat([steered.drop("block"), baselines])
        if name == "vectors":
            more = more.join(blocks, how="cross").with_columns(layer=pl.col("layer") + 2 * pl.col("block")).drop("block")
        frames[name] = pl.concat([pooled, more])
    return Facts(facts.study, frames, facts.samples.head(0))


def page_of(facts: Facts) -> tuple[str, list]:
    figures = build_figures(facts)
    return render(facts, figures, [headline(facts, kind) for kind in facts.detectors]), figures


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("concepts", "layers"), [(20, 63), pytest.param(2, 630, marks=SLOW), pytest.param(400, 3, marks=SLOW)],
    ids=["20 concepts", "2 concepts", "400 concepts"],
)  # fmt: skip
def test_the_page_of_20_000_configurations_is_small_and_says_what_it_shows(facts, concepts, layers):
    many = grown(facts, concepts, layers)
    total = concepts * layers * 16
    assert many.steered["configuration_id"].n_unique() == total > 19_000
    start = time.process_time()
    text, figures = page_of(many)
    assert len(text.encode()) < LIMIT, f"{len(text.encode()):,}"
    assert time.process_time() - start < 30
    assert f"{total:,} steered configurations" in text
    shown = many.drawn["configuration_id"].n_unique()
    assert 300 <= shown <= 400 or concepts == 400
    for figure in figures:
        if figure.name in ("difference", "scatter", "strength", "heat-map"):
            assert f"{shown:,} of {total:,} configurations" in figure.note
            assert "all in SQL: FROM leaderboard WHERE study = 'demo' AND arm = 'steered'" in figure.note
            assert figure.table.height <= 2 * shown
    assert all(figure.chart is not None for figure in figures)


def test_a_sample_holds_the_best_the_worst_and_both_kinds_of_detector(facts):
    many = grown(facts, 20, 63)
    first = many.steered.filter(pl.col("detector") == "embedding")
    for concept in many.panels:
        own, drawn = (frame.filter(pl.col("concept") == concept) for frame in (first, many.drawn))
        ranks = own.sort("auroc", "configuration_id", descending=[True, False])["configuration_id"].to_list()
        kept = set(drawn["configuration_id"])
        assert {*ranks[:10], ranks[-1]} <= kept
        middle = [place for place, name in enumerate(ranks) if name in kept and place >= 10]
        assert max(b - a for a, b in itertools.pairwise(middle)) < len(ranks) / 5, "evenly spaced down to the worst"
    assert set(many.drawn["detector"]) == {"embedding", "tfidf"}


def test_headline_numbers_are_over_all_configurations_not_over_the_sample(facts):
    many = grown(facts, 20, 63)
    flagged = next(item.text for item in headline(many, "embedding").cautions if "flagged" in item.text)
    assert re.match(r"20,160 of 20,160 steered training sets are flagged", flagged)


def test_a_study_of_136_configurations_is_shown_whole(facts):
    many = grown(facts, 4, 2)
    assert many.drawn.height == many.steered.height == 4 * 2 * 16 * 2
    text, figures = page_of(many)
    assert not any("in SQL" in figure.note for figure in figures)
    assert len(text.encode()) < 3_000_000


def test_spreading_keeps_the_ends_and_the_order():
    assert spread([1, 2, 3], 5) == best_and_spread([1, 2, 3], 5) == [1, 2, 3]
    assert spread(range(101), 5) == [0, 25, 50, 75, 100]
    assert best_and_spread(list(range(100)), 6) == [0, 1, 2, 3, 51, 99]
    assert said(5, 5, "vectors", "how", "FROM x") == ""
    assert said(5, 20_000, "vectors", "the best", "FROM x") == " Showing 5 of 20,000 vectors, the best; all in SQL: FROM x."
