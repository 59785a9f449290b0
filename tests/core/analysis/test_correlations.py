"""The table of correlations: values, pooling, missing data, reasons and paired differences."""

from __future__ import annotations

import sys

import numpy as np
import polars as pl
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr

from asteer_core.analysis import METRICS, correlations, fisher_pool, interval
from asteer_core.errors import ConfigError, DataError


def row(table, metric, concept="pooled"):
    return table.filter(pl.col("metric") == metric, pl.col("concept") == concept).row(0, named=True)


def test_each_metric_has_a_row_per_concept_and_one_pooled(study):
    table = correlations(study, n_boot=100)
    assert table.height == (len(METRICS) + 1) * 5
    assert table["concept"].unique(maintain_order=True).to_list() == ["c0", "c1", "c2", "c3", "pooled"]


def test_values_equal_scipy_per_concept_and_fishers_mean_pooled(study):
    table = correlations(study, n_boot=50)
    rhos = []
    for concept in ("c0", "c1", "c2", "c3"):
        own, found = study.filter(pl.col("concept") == concept), row(table, "hm", concept)
        for name, reference in (("spearman", spearmanr), ("kendall", kendalltau), ("pearson", pearsonr)):
            assert found[name] == pytest.approx(reference(own["hm"], own["auroc"]).statistic, abs=1e-9)
        rhos.append(found["spearman"])
    assert row(table, "hm")["spearman"] == pytest.approx(float(fisher_pool(np.array(rhos), np.full(4, 32))), abs=1e-12)
    assert row(table, "hm")["n"] == 128


def test_intervals_surround_their_values_and_pooling_narrows_them(study):
    table = correlations(study, n_boot=300)
    for name in ("spearman", "kendall", "pearson", "partial"):
        known = table.filter(pl.col(name).is_not_null())
        assert (known[f"{name}_lo"] < known[name]).all() and (known[name] < known[f"{name}_hi"]).all()
    pooled, single = row(table, "diversity"), row(table, "diversity", "c0")
    assert pooled["spearman_hi"] - pooled["spearman_lo"] < single["spearman_hi"] - single["spearman_lo"]
    assert pooled["cluster_lo"] < pooled["spearman"] < pooled["cluster_hi"]


def test_planted_effects_are_found(study):
    table = correlations(study, n_boot=300)
    assert row(table, "hm")["spearman_lo"] > 0.6 and row(table, "hm")["p_permutation"] < 0.01
    assert row(table, "diversity")["partial_lo"] > 0 and row(table, "diversity")["partial_given"] == "success+coherence"
    assert row(table, "success")["partial_given"] == "coherence"
    difference = row(table, "hm - hm_sc")
    assert difference["spearman"] == pytest.approx(row(table, "hm")["spearman"] - row(table, "hm_sc")["spearman"], abs=1e-12)
    assert difference["spearman_lo"] > 0


def unequal(study, rng, small=8):
    """Return a study of one large concept and one of a few configurations, without NULLs."""
    few = study.filter(pl.col("concept") == "c1").sample(small, seed=1)
    return pl.concat([study.filter(pl.col("concept") == "c0"), few])


def test_a_pooled_partial_correlation_loses_a_degree_of_freedom_per_control(study, rng):
    table = correlations(unequal(study, rng), n_boot=20, metrics=["success", "coherence", "diversity"])
    parts = [row(table, "diversity", concept)["partial"] for concept in ("c0", "c1")]
    weights = np.array([32, 8]) - 3 - 2
    expected = np.tanh((weights * np.arctanh(parts)).sum() / weights.sum())
    assert row(table, "diversity")["partial"] == pytest.approx(expected, abs=1e-12)


def test_the_pooled_p_value_weighs_concepts_as_the_pooled_correlation_does(study, rng):
    frame = unequal(study, rng, small=5).with_columns(model=pl.lit("m0"))
    auroc = np.concatenate([np.linspace(0, 1, 32), np.linspace(0, 1, 5)])
    metric = np.concatenate([auroc[:32] + 0.35 * rng.normal(size=32), [5, 4, 3, 1, 2]])
    table = correlations(frame.with_columns(mean_length=pl.Series(metric), auroc=pl.Series(auroc)), n_boot=20, metrics=["mean_length"])
    assert row(table, "mean_length", "c0")["p_permutation"] < 0.02 and row(table, "mean_length", "c1")["spearman"] == pytest.approx(-0.9)
    # The five weigh 2 beside 29; as equals they would drown what the 32 show.
    found = row(table, "mean_length")
    assert found["spearman"] > 0.3 and found["p_permutation"] < 0.05


def test_a_difference_of_correlations_is_of_the_same_rows_on_the_same_resamples(study, rng):
    near = study.with_columns(hm_sc=pl.col("hm") + pl.Series(1e-3 * rng.normal(size=study.height)))
    table = correlations(near, n_boot=200, metrics=["hm", "hm_sc"])
    for concept in ("c0", "pooled"):
        paired, alone = row(table, "hm - hm_sc", concept), row(table, "hm", concept)
        for low, high in (("spearman_lo", "spearman_hi"), *([("cluster_lo", "cluster_hi")] if concept == "pooled" else [])):
            assert paired[high] - paired[low] < 0.3 * (alone[high] - alone[low]), (concept, low)
    holes = study.with_columns(hm=pl.when(pl.int_range(pl.len()) < 12).then(None).otherwise(pl.col("hm")))
    own = study.filter(pl.col("concept") == "c0")[12:]
    expected = spearmanr(own["hm"], own["auroc"]).statistic - spearmanr(own["hm_sc"], own["auroc"]).statistic
    found = row(correlations(holes, n_boot=20, metrics=["hm", "hm_sc"]), "hm - hm_sc", "c0")
    assert found["n"] == 20 and found["spearman"] == pytest.approx(expected, abs=1e-9)


def test_intervals_over_cells_reach_as_far_as_their_number_asks(study, monkeypatch):
    asked = []

    def spied(draws, n_cells=None):
        asked.append(n_cells)
        return interval(draws, n_cells)

    # The package shows the function under the module's name.
    monkeypatch.setattr(sys.modules["asteer_core.analysis.correlations"], "interval", spied)
    found = row(correlations(study, n_boot=100, metrics=["hm"]), "hm")
    assert [number for number in asked if number is not None] == [8] and found["n_cells"] == 8 and found["cluster_lo"] is not None


def test_what_has_no_effect_is_hardly_ever_found(make_study, rng):
    covered, small = 0, 0
    for _ in range(80):
        found = row(correlations(make_study(rng), n_boot=200, metrics=["mean_length"]), "mean_length")
        covered += found["spearman_lo"] <= 0 <= found["spearman_hi"]
        small += found["p_permutation"] <= 0.05
    assert covered / 80 >= 0.9 and small / 80 <= 0.12


def test_missing_values_are_left_out_and_counted(study):
    holes = study.with_row_index().with_columns(
        hm=pl.when(pl.col("index") < 3).then(None).when(pl.col("index") == 3).then(float("nan")).otherwise(pl.col("hm")),
        auroc=pl.when(pl.col("index") == 4).then(None).otherwise(pl.col("auroc")),
    )
    found = row(correlations(holes, n_boot=50), "hm", "c0")
    own = study.filter(pl.col("concept") == "c0")[5:]
    assert (found["n"], found["n_missing"]) == (27, 5)
    assert found["spearman"] == pytest.approx(spearmanr(own["hm"], own["auroc"]).statistic, abs=1e-9)


def test_undefined_correlations_are_null_with_a_reason(study):
    flat = study.with_columns(
        strength=pl.lit(0.5),
        min=pl.when(pl.col("concept") == "c1").then(None).otherwise(pl.col("min")),
        auroc=pl.when(pl.col("concept") == "c2").then(0.8).otherwise(pl.col("auroc")),
    )
    table = correlations(flat, n_boot=50)
    assert row(table, "strength", "c0")["reason"] == "the metric is constant"
    assert row(table, "min", "c1")["reason"] == "fewer than 3 configurations"
    assert row(table, "hm", "c2")["reason"] == "AUROC is constant"
    pooled = row(table, "strength")
    assert pooled["spearman"] is None and pooled["spearman_lo"] is None and "no concept" in pooled["reason"]
    assert row(table, "min")["n"] == 64  # c1 has no values, c2 no variance
    assert row(table, "hm", "c0")["cluster_lo"] is None and "2 cells" in row(table, "hm", "c0")["cluster_reason"]


def test_baselines_and_controls_are_set_aside(study):
    others = study[:4].with_columns(
        method=pl.Series(["unsteered", "prompted", "random", "real"]), configuration_id=pl.Series(list("abcd")), auroc=pl.lit(0.0)
    )
    zero = study[:1].with_columns(strength=pl.lit(0.0), configuration_id=pl.lit("off"), auroc=pl.lit(0.0))
    both = correlations(pl.concat([study, others, zero]), n_boot=50)
    assert both.equals(correlations(study, n_boot=50))


def test_the_order_of_rows_does_not_matter(study):
    shuffled = study.sample(fraction=1, shuffle=True, seed=3)
    assert correlations(shuffled, n_boot=50).equals(correlations(study, n_boot=50))


def test_detector_kinds_and_studies_are_apart(study):
    worse = study.with_columns(auroc=1 - pl.col("auroc"), detector=pl.lit("tfidf"))
    table = correlations(pl.concat([study.with_columns(detector=pl.lit("embedding")), worse]), n_boot=50)
    found = {kind: row(table.filter(pl.col("detector") == kind), "hm")["spearman"] for kind in ("embedding", "tfidf")}
    assert found["embedding"] == pytest.approx(-found["tfidf"])


def test_one_model_and_two_concepts_are_enough(make_study, rng):
    table = correlations(make_study(rng, concepts=2, models=1), n_boot=50)
    assert row(table, "hm")["spearman_lo"] is not None and row(table, "hm")["cluster_lo"] is None


def test_an_empty_study_gives_an_empty_table(study):
    assert correlations(study[:0], n_boot=10).height == 0


def test_broken_frames_are_refused(study):
    with pytest.raises(DataError, match="correlations: the frame lacks auroc; it has study"):
        correlations(study.drop("auroc"))
    with pytest.raises(DataError, match="'c0:m0:caa:0.3' stands 2 times"):
        correlations(pl.concat([study, study[:1]]))
    with pytest.raises(DataError, match="another type than declared"):
        correlations(study.with_columns(hm=pl.lit("high")))
    with pytest.raises(DataError, match="model is NULL in 1 rows"):
        correlations(study.with_columns(model=pl.when(pl.int_range(pl.len()) > 0).then("model")))
    with pytest.raises(ConfigError, match="none of the metrics success"):
        correlations(study.drop(METRICS))
