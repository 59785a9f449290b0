"""Shares that beat prompting, regret, terciles and the leaderboard, each against hand counts."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr
from scipy.stats import false_discovery_control

from asteer_core.analysis import beats_prompting, beats_prompting_by_method, leaderboard, narrow_band, regret
from asteer_core.errors import DataError


def test_the_three_shares_are_counted_against_both_rivals(study):
    table = beats_prompting(study, n_boot=200)
    pooled = table.filter(pl.col("concept") == "pooled").row(0, named=True)
    for suffix in ("", "_best"):
        d, lo, p = (study[name].to_numpy() for name in (f"difference{suffix}", f"difference{suffix}_lo", f"p{suffix}"))
        assert pooled[f"share_wins{suffix}"] == pytest.approx((d > 0).mean())
        assert pooled[f"share_interval{suffix}"] == pytest.approx((lo > 0).mean())
        expected = (false_discovery_control(p) <= 0.05) & (d > 0)
        assert pooled[f"share_significant{suffix}"] == pytest.approx(expected.mean())
        assert pooled[f"share_wins{suffix}_lo"] <= pooled[f"share_wins{suffix}"] <= pooled[f"share_wins{suffix}_hi"]
    assert (pooled["n"], pooled["n_best"], pooled["n_cells"], pooled["reason"]) == (128, 128, 8, None)
    assert pooled["share_wins_best"] < pooled["share_wins"]
    assert pooled["largest_difference"] == study["difference"].max()


def test_few_cells_leave_the_cluster_interval_null_and_wilson_beside_it(study):
    row = beats_prompting(study, n_boot=50).row(0, named=True)
    assert row["share_wins_lo"] is None and row["reason"] == "2 cells; an interval over cells needs 4"
    assert row["share_wins_wilson_lo"] < row["share_wins"] < row["share_wins_wilson_hi"]


def test_methods_are_counted_apart_and_add_up(study):
    table = beats_prompting_by_method(study, n_boot=50)
    pooled = table.filter(pl.col("concept") == "pooled")
    assert pooled["method"].to_list() == ["angular", "caa", "pca", "probe"] and pooled["n"].sum() == 128
    assert (pooled["n"] * pooled["share_wins"]).sum() == pytest.approx((study["difference"] > 0).sum())


def test_without_any_effect_hardly_anything_is_significant(rng, make_study):
    shares = []
    for _ in range(60):
        null = make_study(rng, concepts=2)
        z = rng.normal(size=null.height)
        p = 2 * ndtr(-np.abs(z))
        null = null.with_columns(difference=pl.Series(0.02 * z), difference_lo=pl.Series(0.02 * (z - 1.96)), p=pl.Series(p))
        row = beats_prompting(null, n_boot=20).filter(pl.col("concept") == "pooled").row(0, named=True)
        shares.append([row["share_wins"], row["share_interval"], row["share_significant"] > 0])
    wins, above, any_significant = np.mean(shares, axis=0)
    assert wins == pytest.approx(0.5, abs=0.04) and above == pytest.approx(0.025, abs=0.015) and any_significant <= 0.08


def test_configurations_without_a_comparison_are_missing_not_lost(study):
    holes = study.with_columns(difference=pl.when(pl.int_range(pl.len()) < 10).then(None).otherwise(pl.col("difference")))
    row = beats_prompting(holes, n_boot=50).row(0, named=True)
    assert (row["n"], row["n_missing"], row["n_best"]) == (22, 10, 32)
    nothing = study.with_columns(difference=pl.lit(None, pl.Float64), difference_best=pl.lit(float("nan")))
    row = beats_prompting(nothing, n_boot=50).row(0, named=True)
    assert row["share_wins"] is None and row["reason"] == "no configuration has a difference to prompting"


def test_regret_of_each_rule_is_what_the_rule_loses(study):
    table = regret(study)
    own = study.filter(pl.col("concept") == "c1", pl.col("model") == "m0")
    found = {row["rule"]: row for row in table.filter(pl.col("concept") == "c1", pl.col("model") == "m0").rows(named=True)}
    best = own["auroc"].max()
    for rule in ("hm", "hm_sc", "success", "coherence", "diversity"):
        chosen = own.sort(rule, descending=True).row(0, named=True)
        assert found[rule]["configuration_id"] == chosen["configuration_id"]
        assert found[rule]["regret"] == pytest.approx(best - chosen["auroc"])
    assert found["random"]["regret"] == pytest.approx(best - own["auroc"].mean())
    assert found["strongest"]["auroc"] == pytest.approx(own.filter(pl.col("strength") == 0.9)["auroc"].mean())
    assert found["default_strength"]["auroc"] == pytest.approx(own.filter(pl.col("strength") == 0.5)["auroc"].mean())
    assert (table["regret"] >= 0).all()
    assert set(table["model"]) == {"m0", "m1", "all"}
    assert found["hm"]["regret"] < found["random"]["regret"]


def test_regret_takes_default_strengths_and_explains_what_it_cannot_choose(study):
    own = study.filter(pl.col("concept") == "c0", pl.col("model") == "m0").with_columns(hm=pl.lit(None, pl.Float64))
    found = {row["rule"]: row for row in regret(own, {"caa": 0.9, "pca": 0.3}).filter(pl.col("model") == "m0").rows(named=True)}
    named = own.filter(
        ((pl.col("method") == "caa") & (pl.col("strength") == 0.9))
        | ((pl.col("method") == "pca") & (pl.col("strength") == 0.3))
        | (pl.col("method").is_in(["probe", "angular"]) & (pl.col("strength") == 0.5))
    )
    assert found["default_strength"]["auroc"] == pytest.approx(named["auroc"].mean())
    assert found["hm"]["regret"] is None and found["hm"]["reason"] == "no configuration has hm"


def test_ties_go_to_the_first_name(study):
    tied = regret(study.with_columns(hm=pl.lit(0.5), auroc=pl.lit(0.7)))
    hm = tied.filter(pl.col("rule") == "hm", pl.col("model") == "m0", pl.col("concept") == "c0").row(0, named=True)
    assert hm["configuration_id"] == hm["best_configuration_id"] == "c0:m0:angular:0.3"


def test_terciles_split_each_concept_evenly_and_in_order(study):
    table = narrow_band(study)
    one = table.filter(pl.col("concept") == "c0", pl.col("metric") == "coherence")
    assert one["n"].to_list() == [11, 11, 10]
    assert (one["highest"][:2] <= one["lowest"][1:]).all()
    own = study.filter(pl.col("concept") == "c0").sort("coherence")
    assert one["wins"].to_list() == [int((own["difference"][a:b] > 0).sum()) for a, b in ((0, 11), (11, 22), (22, 32))]
    pooled = table.filter(pl.col("concept") == "pooled", pl.col("metric") == "coherence")
    assert pooled["n"].to_list() == [44, 44, 40] and pooled["share_wins"][2] > pooled["share_wins"][0]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_terciles_of_a_handful_do_not_fail(study, count):
    one = narrow_band(study.filter(pl.col("concept") == "c0")[:count]).filter(pl.col("concept") == "c0", pl.col("metric") == "success")
    assert one["n"].sum() == count and one["tercile"].max() <= 3


def parts(study):
    identity = ["study", "concept", "model", "method", "layer", "strength", "configuration_id"]
    metrics = study.select(*identity, "success", "coherence", "diversity", "hm", "hm_sc")
    detectors = study.select(*identity, "auroc", "auroc_lo", "auroc_hi").with_columns(detector=pl.lit("embedding"), arm=pl.lit("steered"))
    return metrics, detectors, study.select("study", "configuration_id", "difference", "difference_lo", "difference_hi", "p")


def test_the_leaderboard_joins_everything_and_sorts_by_auroc(study):
    board = leaderboard(*parts(study.sample(fraction=1, shuffle=True, seed=1)))
    assert board.height == 128
    one = board.filter(pl.col("concept") == "c2")
    assert one["rank"].to_list() == list(range(1, 33)) and one["auroc"].is_sorted(descending=True)
    original = study.row(by_predicate=pl.col("configuration_id") == one["configuration_id"][0], named=True)
    shown = one.row(0, named=True)
    assert all(shown[name] == original[name] for name in ("hm", "auroc", "difference", "p", "method", "strength"))


def test_rows_of_one_side_alone_stay(study):
    metrics, detectors, comparisons = parts(study)
    real = detectors[:1].with_columns(
        method=pl.lit("real"),
        arm=pl.lit("real"),
        configuration_id=pl.lit("real"),
        layer=pl.lit(None, pl.Int64),
        strength=pl.lit(None, pl.Float64),
    )
    board = leaderboard(metrics, pl.concat([detectors[5:], real]), comparisons)
    assert board.height == 129
    assert board.filter(pl.col("configuration_id") == "real").select("hm", "rank").row(0) == (None, 1)
    untrained = board.filter(pl.col("auroc").is_null())
    assert untrained.height == 5 and untrained["rank"].null_count() == 5 and untrained["concept"].null_count() == 0


def test_the_leaderboard_refuses_repeats_and_clashes(study):
    metrics, detectors, comparisons = parts(study)
    with pytest.raises(DataError, match="leaderboard, detectors: configuration 'c0:m0:caa:0.3' stands 2 times"):
        leaderboard(metrics, pl.concat([detectors, detectors[:1]]), comparisons)
    with pytest.raises(DataError, match="difference, p stand both"):
        leaderboard(
            metrics,
            detectors.with_columns(difference=pl.lit(0.0), p=pl.lit(1.0)),
            comparisons.select("study", "configuration_id", "difference", "p"),
        )
    with pytest.raises(DataError, match="leaderboard, metrics: the frame lacks method"):
        leaderboard(metrics.drop("method"), detectors)
