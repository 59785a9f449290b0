"""Rules of choice and the prediction of AUROC, on planted results."""

import numpy as np
import polars as pl
import pytest

from asteer_core.analysis.choice import choice_regret
from asteer_core.analysis.prediction import cross_validated, fit_auroc
from asteer_core.errors import DataError


def board(concepts=("a", "b", "c", "d"), seed=0, noise=0.0):
    """AUROC rises with success; HM points the other way."""
    rng = np.random.default_rng(seed)
    rows = []
    for concept in concepts:
        for method in ("caa", "pca"):
            for strength in (0.2, 0.4, 0.6, 0.8):
                success = strength + (0.1 if method == "caa" else 0.0)
                rows.append({
                    "study": "s", "concept": concept, "model": "m", "method": method, "layer": 1, "strength": strength,
                    "configuration_id": f"{concept}:m:{method}:{strength}", "detector": "embedding", "arm": "steered", "success": success,
                    "coherence": 1 - strength, "diversity": 0.5, "hm": 1 - success, "hm_sc": 1 - success,
                    "auroc": 0.4 + 0.5 * success + noise * rng.normal(),
                })  # fmt: skip
    return pl.DataFrame(rows)


def rules(frame):
    return {row["rule"]: row for row in choice_regret(frame, np.random.default_rng(0)).iter_rows(named=True)}


def test_a_rule_that_is_right_loses_nothing_and_a_rule_that_is_wrong_loses_the_whole_range():
    found = rules(board())
    assert found["success"]["regret"] == 0 and found["success"]["within_2_points"] == 4
    assert found["hm"]["regret"] == pytest.approx(0.5 * 0.7) and found["hm"]["within_2_points"] == 0
    assert found["success"]["less_than_hm"] == pytest.approx(0.35) and found["success"]["less_than_hm_lo"] > 0
    assert found["random"]["regret"] == pytest.approx(0.5 * (0.9 - 0.55))
    assert found["strongest"]["regret"] == pytest.approx(0.5 * 0.05)


def test_a_method_without_a_dial_counts_as_its_own_strongest():
    plain = board()
    undialled = plain.filter((pl.col("method") == "pca") & (pl.col("strength") == 0.2)).with_columns(
        method=pl.lit("ablation"), strength=pl.lit(None, pl.Float64), configuration_id=pl.col("concept") + ":m:ablation", auroc=pl.lit(0.3)
    )
    found = rules(pl.concat([plain, undialled]))
    # The strongest of caa has 0.85, of pca 0.8, and ablation has 0.3.
    assert found["strongest"]["regret"] == pytest.approx(0.85 - (0.85 + 0.8 + 0.3) / 3)


def test_what_is_usual_is_learned_from_other_concepts_alone():
    frame = board()
    # In concept a the order is reversed: what is usual elsewhere is then the worst choice there.
    flipped = frame.with_columns(pl.when(pl.col("concept") == "a").then(1.3 - pl.col("auroc")).otherwise(pl.col("auroc")).alias("auroc"))
    assert rules(frame)["usual"]["regret"] == 0
    assert rules(flipped)["usual"]["regret"] == pytest.approx(0.35 / 4)
    # A configuration that stands out in its own concept alone is not known to be good there.
    flat = frame.with_columns(auroc=0.5 + 0.1 * (pl.col("auroc") - 0.5))
    lucky = flat.with_columns(pl.when(pl.col("configuration_id") == "a:m:pca:0.2").then(1.0).otherwise(pl.col("auroc")).alias("auroc"))
    assert rules(lucky)["usual"]["regret"] > 0.1


def test_fewer_than_four_cells_have_no_interval_and_say_so():
    row = rules(board(("a", "b", "c")))["hm"]
    assert row["regret_lo"] is None and "interval" in row["reason"]


def test_a_prediction_of_held_out_cells_finds_a_planted_relation_and_nothing_in_noise():
    found = cross_validated(board(noise=0.005))
    assert np.corrcoef(found["predicted"], found["auroc"])[0, 1] > 0.97
    shuffled = board().with_columns(pl.Series("auroc", np.random.default_rng(1).random(32)))
    lost = cross_validated(shuffled)
    # Without a relation a held-out prediction leans the other way, as the mean of the rest does; it must not look like skill.
    assert np.corrcoef(lost["predicted"], lost["auroc"])[0, 1] < 0.3


def test_a_prediction_never_sees_the_concept_that_it_predicts():
    frame = board()
    poisoned = frame.with_columns(pl.when(pl.col("concept") == "a").then(0.99).otherwise(pl.col("auroc")).alias("auroc"))
    before = cross_validated(frame, by="concept").filter(pl.col("concept") == "a")["predicted"]
    after = cross_validated(poisoned, by="concept").filter(pl.col("concept") == "a")["predicted"]
    assert np.allclose(before, after)


def test_too_few_rows_cannot_be_learned_from():
    with pytest.raises(DataError, match="at least 12"):
        fit_auroc(board(("a",)))


def test_a_small_study_has_no_prediction_and_says_so():
    small = board(("a", "b")).filter(pl.col("strength") < 0.5)
    assert cross_validated(small)["predicted"].is_null().all()
    found = rules(small)
    assert found["predicted"]["regret"] is None and "no configuration" in found["predicted"]["reason"]
    assert found["success"]["regret"] == 0
    assert rules(board(("a",)).head(2))["usual"]["reason"]
