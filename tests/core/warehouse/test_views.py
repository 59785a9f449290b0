"""The formulas in SQL against scipy and numpy, on the same rows."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from asteer_core.analysis import beats_prompting, correlations, narrow_band, regret
from asteer_core.types import Configuration
from asteer_core.warehouse import Store, publish, query, table
from tests.core.warehouse.conftest import detected, frame_of, identity_of

TIGHT = {"rel": 0, "abs": 1e-9}


@pytest.fixture
def warehouse(shared_warehouse):
    return shared_warehouse


def units(warehouse) -> pl.DataFrame:
    """Return the steered configurations with their metrics, joined in polars."""
    steered = query("FROM detector_metrics WHERE arm = 'steered'", warehouse).select(
        "configuration_id", "concept", "auroc", "difference", "p"
    )
    metrics = query("FROM corpus_metrics", warehouse).drop("study", "concept")
    return steered.join(metrics, on="configuration_id")


@pytest.mark.parametrize("metric", ["success", "coherence", "diversity", "hm", "am", "min", "strength"])
@pytest.mark.parametrize("concept", ["toxicity", "evasion"])
def test_correlations_equal_scipy_with_ties_and_nulls(warehouse, metric, concept):
    frame = units(warehouse).filter(pl.col("concept") == concept).select("auroc", metric).drop_nulls()
    row = query("FROM metric_auroc_correlation WHERE concept = ? AND metric = ?", warehouse, [concept, metric]).row(0, named=True)
    assert row["n"] == frame.height
    assert row["spearman"] == pytest.approx(stats.spearmanr(frame["auroc"], frame[metric]).statistic, **TIGHT)
    assert row["pearson"] == pytest.approx(stats.pearsonr(frame["auroc"], frame[metric]).statistic, **TIGHT)


@pytest.mark.parametrize("view", ["metric_auroc_correlation", "regret"])
def test_two_queries_of_the_same_rows_agree_to_the_last_digit(warehouse, view):
    assert len({str(sorted(query(f"FROM {view}", warehouse).rows(), key=str)) for _ in range(12)}) == 1


def test_the_pooled_correlation_is_the_mean_of_fisher_z(warehouse):
    parts = query("FROM metric_auroc_correlation WHERE metric = 'hm' AND concept <> 'pooled'", warehouse)
    weights = parts["n"].to_numpy() - 3
    pooled = query("FROM metric_auroc_correlation WHERE metric = 'hm' AND concept = 'pooled'", warehouse).row(0, named=True)
    assert pooled["n"] == parts["n"].sum()
    for name in ("spearman", "pearson"):
        assert pooled[name] == pytest.approx(np.tanh(np.average(np.arctanh(parts[name].to_numpy()), weights=weights)), **TIGHT)


def frame_for_analysis(warehouse) -> pl.DataFrame:
    metrics = query("FROM corpus_metrics", warehouse).drop("study", "concept", "model", "method", "layer", "strength", "template", "seed")
    board = query("FROM leaderboard", warehouse)
    return board.join(metrics.drop(set(board.columns) & set(metrics.columns) - {"configuration_id"}), on="configuration_id", how="left")


@pytest.mark.parametrize(
    ("name", "compute"),
    [
        ("metric_auroc_correlation", lambda frame: correlations(frame, n_boot=2)),
        ("beats_prompting", lambda frame: beats_prompting(frame, n_boot=2)),
        ("regret", regret),
        ("narrow_band", narrow_band),
    ],
)
def test_sql_and_python_agree(warehouse, name, compute):
    expected = compute(frame_for_analysis(warehouse))
    if name in ("metric_auroc_correlation", "regret"):
        # Python has a row with a reason also where a metric is NULL throughout.
        expected = expected.filter(pl.col("reason").is_null())
    found = query(f"FROM {name}", warehouse)
    keys = list(table(name).keys)
    shared = [column for column in found.columns if column in expected.columns and column not in keys]
    both = expected.join(found, on=keys, how="left", suffix="_sql")
    assert both.height == expected.height > 0
    for column in shared:
        # Resampled intervals come from the stored table, which this store lacks.
        if found[column].null_count() == found.height:
            continue
        ours, theirs = both[f"{column}_sql"], both[column]
        assert ours.is_null().equals(theirs.is_null()), column
        if ours.dtype == pl.Float64:
            assert (ours - theirs).abs().max() <= 1e-9, column
        else:
            assert ours.to_list() == theirs.to_list(), column


def write_metric(root, values_by_concept: dict[str, list[float]], aurocs: list[float]) -> None:
    """Write one configuration per value; its coherence is the value."""
    store = Store(root)
    for concept, values in values_by_concept.items():
        for number, value in enumerate(values):
            configuration = Configuration(concept, "tiny", "caa", number, 0.5)
            row = identity_of("demo", configuration)
            auroc = {"arm": "steered", "detector": "embedding", "auroc": aurocs[number]}
            store.write("corpus_metrics", frame_of("corpus_metrics", [row | {"coherence": value}]), "k", concept, configuration.key)
            store.write("detector_metrics", frame_of("detector_metrics", [row | auroc]), "k", concept, configuration.key)


RISING = [0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize(
    ("values", "aurocs", "reason"),
    [
        ([0.5, 0.5, 0.5, 0.5], RISING, "the metric is constant"),
        (RISING, [0.7, 0.7, 0.7, 0.7], "AUROC is constant"),
        (RISING[:2], RISING, "fewer than 3 configurations"),
    ],
)
def test_an_undefined_correlation_is_null_with_its_reason(tmp_path, values, aurocs, reason):
    write_metric(tmp_path / "s", {"toxicity": values}, aurocs)
    publish({"demo": tmp_path / "s"}, tmp_path / "w.duckdb")
    row = query("FROM metric_auroc_correlation WHERE metric = 'coherence'", tmp_path / "w.duckdb").row(0, named=True)
    assert (row["spearman"], row["pearson"], row["reason"]) == (None, None, reason)


@pytest.mark.parametrize(("second", "pooled"), [([0.3, 0.1, 0.4, 0.2], 1.0), (RISING[::-1], None)])
def test_perfect_correlations_pool_to_one_unless_they_contradict(tmp_path, second, pooled):
    write_metric(tmp_path / "s", {"toxicity": RISING, "evasion": second}, RISING)
    publish({"demo": tmp_path / "s"}, tmp_path / "w.duckdb")
    row = query("FROM metric_auroc_correlation WHERE metric = 'coherence' AND concept = 'pooled'", tmp_path / "w.duckdb").row(0, named=True)
    assert row["spearman"] == pooled
    assert (row["reason"] is None) == (pooled is not None)


def test_stored_intervals_stand_beside_the_values_of_the_view(store, tmp_path):
    row = {
        "study": "demo",
        "concept": "toxicity",
        "detector": "embedding",
        "metric": "hm",
        "spearman_lo": -0.5,
        "spearman_hi": 0.5,
        "kendall": 0.1,
    }
    store.write("metric_auroc_correlation", frame_of("stored.metric_auroc_correlation", [row]), "k")
    publish({"demo": store.root}, tmp_path / "w.duckdb")
    frame = query("FROM metric_auroc_correlation WHERE metric = 'hm' ORDER BY concept", tmp_path / "w.duckdb")
    assert frame["spearman_lo"].to_list() == [None, None, -0.5]
    assert frame["kendall"].to_list() == [None, None, 0.1]


@pytest.mark.parametrize("metric", ["success", "hm", "strength"])
@pytest.mark.parametrize("concept", ["toxicity", "evasion"])
def test_kendall_equals_scipy_in_the_stored_table_and_in_the_macro(warehouse, store, tmp_path, metric, concept):
    frame = units(warehouse).filter(pl.col("concept") == concept).select("auroc", metric).drop_nulls()
    expected = stats.kendalltau(frame["auroc"], frame[metric]).statistic
    found = query(f"FROM kendall_of('{metric}', '{concept}', 'embedding')", warehouse)
    assert found["kendall"].item() == pytest.approx(expected, **TIGHT)
    store.write("metric_auroc_correlation", correlations(frame_for_analysis(warehouse), n_boot=2), "k")
    publish({"demo": store.root}, tmp_path / "w.duckdb")
    row = query("FROM metric_auroc_correlation WHERE concept = ? AND metric = ?", tmp_path / "w.duckdb", [concept, metric])
    assert row["kendall"].item() == pytest.approx(expected, **TIGHT)


def test_shares_carry_wilsons_interval(warehouse):
    row = query("FROM beats_prompting WHERE concept = 'pooled'", warehouse).row(0, named=True)
    for share in ("share_wins", "share_interval_best", "share_significant"):
        exact = stats.binomtest(round(row[share] * 32), 32).proportion_ci(method="wilson")
        assert (row[f"{share}_wilson_lo"], row[f"{share}_wilson_hi"]) == pytest.approx((exact.low, exact.high), **TIGHT)


@pytest.mark.parametrize("concept", ["toxicity", "evasion", "pooled"])
def test_the_three_shares_equal_numpy_and_scipy(warehouse, concept):
    frame = units(warehouse).filter((pl.col("concept") == concept) | (concept == "pooled"))
    adjusted = stats.false_discovery_control(frame["p"].to_numpy())
    difference = frame["difference"].to_numpy()
    row = query("FROM beats_prompting WHERE concept = ?", warehouse, [concept]).row(0, named=True)
    assert row["n"] == frame.height
    assert row["share_wins"] == pytest.approx((difference > 0).mean(), **TIGHT)
    assert row["share_interval"] == pytest.approx((difference - 0.05 > 0).mean(), **TIGHT)
    assert row["share_significant"] == pytest.approx(((adjusted <= 0.05) & (difference > 0)).mean(), **TIGHT)
    assert row["largest_difference"] == pytest.approx(difference.max(), **TIGHT)
    assert 0 < row["share_significant"] < row["share_wins"], "the rows are such that the shares differ"


def test_regret_is_measured_from_the_best_configuration(warehouse):
    frame = units(warehouse).filter(pl.col("concept") == "toxicity")
    chosen = frame.drop_nulls("hm").sort(["hm", "configuration_id"], descending=[True, False]).row(0, named=True)
    rows = {row["rule"]: row for row in query("FROM regret WHERE concept = 'toxicity' AND model = 'all'", warehouse).iter_rows(named=True)}
    assert set(rows) == {"hm", "success", "coherence", "diversity", "random", "strongest", "default_strength"}, "hm_sc is NULL throughout"
    assert rows["hm"]["configuration_id"] == chosen["configuration_id"]
    assert rows["hm"]["regret"] == pytest.approx(frame["auroc"].max() - chosen["auroc"], **TIGHT)
    assert rows["random"]["auroc"] == pytest.approx(frame["auroc"].mean(), **TIGHT)
    middle = frame.filter(pl.col("strength") == 0.4)
    assert rows["default_strength"]["auroc"] == pytest.approx(middle["auroc"].mean(), **TIGHT)
    assert all(row["regret"] >= 0 for row in rows.values())


def test_terciles_cover_every_configuration_once(warehouse):
    frame = query("FROM narrow_band WHERE concept = 'toxicity' AND metric = 'coherence' ORDER BY tercile", warehouse)
    assert frame["n"].to_list() == [6, 5, 5]
    assert (frame["highest"][:-1] <= frame["lowest"][1:]).all()
    assert frame["wins"].sum() == (units(warehouse).filter(pl.col("concept") == "toxicity")["difference"] > 0).sum()
    assert (frame["share_wins"] == frame["wins"] / frame["n"]).all()
    pooled = query("FROM narrow_band WHERE concept = 'pooled' AND metric = 'coherence'", warehouse)
    assert pooled["n"].sum() == 32


def test_the_leaderboard_ranks_within_an_arm(warehouse):
    frame = query("FROM leaderboard WHERE concept = 'evasion' ORDER BY auroc DESC", warehouse)
    steered = frame.filter(pl.col("arm") == "steered")
    assert steered["rank"].to_list() == [int(rank) for rank in stats.rankdata(-steered["auroc"].to_numpy(), "min")]
    assert frame.filter(pl.col("arm") != "steered")["rank"].to_list() == [1, 1]
    assert steered["hm_rank"].null_count() == 4, "HM is NULL at the highest strength"


def test_a_row_without_a_corpus_stands_in_the_leaderboard(store, tmp_path, rng):
    row = {"study": "demo", "concept": "toxicity", "strength": None} | detected({}, "real", rng)
    store.write("detector_metrics", frame_of("detector_metrics", [row]), "k", "toxicity", "real")
    publish({"demo": store.root}, tmp_path / "w.duckdb")
    found = query("FROM leaderboard WHERE arm = 'real'", tmp_path / "w.duckdb").row(0, named=True)
    assert found["auroc"] == row["auroc"]
    assert found["success"] is None
    assert found["configuration_id"] is None
