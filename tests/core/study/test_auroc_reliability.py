"""The reliability of AUROC in a study is made of the stored scores of its headline test rows, and stands beside the correlations."""

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from asteer_core.analysis import fisher_pool
from asteer_core.study import Workspace
from asteer_core.study.stages._reliability import auroc_reliability
from asteer_core.study.study import Study
from asteer_core.types import Configuration
from asteer_core.warehouse import publish, query, table

STRENGTHS = [round(0.1 * step, 1) for step in range(1, 9)]


@pytest.fixture
def ws(small_study: Study, small_data, tmp_path) -> Workspace:
    grid = [{"method": "caa", "layers": [1], "strengths": STRENGTHS}]
    return Workspace(Study.model_validate(small_study.model_dump() | {"grid": grid}), home=tmp_path / "home", data_root=small_data)


def write_scores(ws: Workspace, seeds: dict[str, int], noise: float, skip: str = "") -> pl.DataFrame:
    """Write scores of detectors that are better the stronger their configuration is, and return the leaderboard of the steered arm."""
    board = []
    for place, (concept, key) in enumerate(ws.plan.pairs):
        configuration = Configuration.parse(concept, key, seed=ws.study.seed)
        rows = ws.concept(concept).real.filter(pl.col("split").is_in(["validation", "test"]))
        rows = rows.select("split", "group", "label", "source", test_id="id")
        rng, parts = np.random.default_rng(place), []
        for kind, count in seeds.items():
            for seed in range(count):
                score = expit(4 * configuration.strength * rows["label"].to_numpy() + noise * rng.normal(size=rows.height))
                # Other splits and sources would turn the ranking over.
                score = np.where((rows["split"] == "test").to_numpy(), score, 1 - score)
                parts.append(rows.with_columns(detector=pl.lit(kind), detector_seed=pl.lit(seed, pl.Int64), score=pl.Series(score)))
        board += [
            {"concept": concept, "configuration_id": configuration.id, "detector": kind, "auroc": 0.7, "strength": 0.4} for kind in seeds
        ]
        if concept != skip:
            frame = pl.concat(parts).with_columns(configuration_id=pl.lit(configuration.id))
            ws.store.write("detector_scores", frame, "k", concept, key)
    return pl.DataFrame(board)


def by_row(frame: pl.DataFrame) -> dict[tuple[str, str], dict]:
    return {(row["detector"], row["concept"]): row for row in frame.rows(named=True)}


def test_each_detector_and_concept_has_a_row_and_noise_lowers_the_ceiling(ws):
    found = {noise: auroc_reliability(ws, write_scores(ws, {"embedding": 3, "tfidf": 3}, noise)) for noise in (0.3, 3.0)}
    assert found[0.3].schema == table("auroc_reliability").polars_schema
    for noise, frame in found.items():
        rows = by_row(frame)
        assert list(rows) == [(kind, concept) for kind in ("embedding", "tfidf") for concept in ("evasion", "toxicity", "pooled")]
        for kind in ("embedding", "tfidf"):
            own = [rows[kind, concept] for concept in ("evasion", "toxicity")]
            pooled = rows[kind, "pooled"]
            assert [row["n"] for row in (*own, pooled)] == [8, 8, 16] and {row["seeds"] for row in (*own, pooled)} == {3}
            test = ws.concept("evasion").real.filter(pl.col("split") == "test")
            assert own[0]["groups"] == test["group"].n_unique() and pooled["groups"] == sum(row["groups"] for row in own)
            ceilings = np.array([row["ceiling"] for row in own])
            assert ((ceilings > 0.9) if noise < 1 else (ceilings < 0.95)).all(), (noise, ceilings)
            assert pooled["ceiling"] == pytest.approx(float(fisher_pool(ceilings, np.array([8, 8]))))
            assert all(row["reliability"] == pytest.approx(row["ceiling"] ** 2) and row["reason"] is None for row in (*own, pooled))


def test_equal_scores_give_equal_ceilings(ws):
    board = write_scores(ws, {"embedding": 4}, 2.0)
    assert auroc_reliability(ws, board).equals(auroc_reliability(ws, board))


def test_what_cannot_be_told_is_null_with_the_reason(ws):
    found = by_row(auroc_reliability(ws, write_scores(ws, {"embedding": 1, "tfidf": 2}, 0.3, skip="toxicity")))
    one = found["embedding", "evasion"]
    assert one["ceiling"] is None and one["seeds"] == 1 and "one training seed" in one["reason"] and "detectors.seeds" in one["reason"]
    assert found["embedding", "pooled"]["reason"].startswith("evasion: one training seed")
    assert found["tfidf", "toxicity"]["reason"] == "the scores of the detectors are not stored"
    assert found["tfidf", "evasion"]["ceiling"] > 0.9
    # One concept without a ceiling leaves the pooled one unknown: leaving it out would promise too much.
    assert found["tfidf", "pooled"]["ceiling"] is None and found["tfidf", "pooled"]["reason"].startswith("toxicity: ")
    few = write_scores(ws, {"embedding": 2}, 0.3).group_by("concept", maintain_order=True).head(2)
    rows = auroc_reliability(ws, few)
    assert rows["ceiling"].null_count() == 3 and rows["reason"].to_list()[:2] == ["fewer than 3 configurations"] * 2


def test_the_scores_are_those_of_the_headline_test_rows(ws, monkeypatch):
    seen, drawn = [], {"toxicity": set(), "evasion": set()}

    def halved(labels, scores, groups, rng, where):
        seen.append((len(labels), scores.shape))
        drawn[where.split()[1].rstrip(",")].add(rng.random())
        return rng.random((5, 2, 2))

    monkeypatch.setattr("asteer_core.study.stages._reliability.quarter_auroc", halved)
    monkeypatch.setattr("asteer_core.study.stages._reliability.domains", lambda _: {"real.jsonl": "out", "other": "in"})
    board = write_scores(ws, {"embedding": 2}, 0.3)
    for concept, key in ws.plan.pairs:
        frame = ws.store.read("detector_scores", concept, key)
        other = frame.with_columns(source=pl.lit("other")).filter(pl.int_range(pl.len()).over("detector_seed") % 3 == 0)
        ws.store.write("detector_scores", pl.concat([frame, other]), "k", concept, key)
    assert auroc_reliability(ws, board).height == 3
    tested = other.filter(pl.col("split") == "test").height // 2
    assert set(seen) == {(tested, (2, tested))}
    # All configurations of a concept are halved alike, or halves would differ by their texts.
    assert [len(draws) for draws in drawn.values()] == [1, 1] and len(seen) == len(ws.plan.pairs)


def test_the_ceiling_stands_beside_each_correlation_but_not_beside_a_difference(ws, tmp_path):
    board = write_scores(ws, {"embedding": 3}, 1.0)
    rows = auroc_reliability(ws, board)
    ws.store.write("auroc_reliability", rows, "k")
    stored = [
        {"concept": concept, "detector": "embedding", "metric": metric}
        for concept in ("evasion", "pooled")
        for metric in ("hm", "hm - hm_sc")
    ]
    ws.store.write("metric_auroc_correlation", pl.DataFrame(stored), "k")
    publish({"small": ws.store.root}, tmp_path / "w.duckdb")
    found = query("SELECT concept, metric, ceiling FROM metric_auroc_correlation", tmp_path / "w.duckdb")
    shown = {(concept, metric): ceiling for concept, metric, ceiling in found.rows()}
    expected = dict(rows.select("concept", "ceiling").rows())
    assert shown["evasion", "hm"] == pytest.approx(expected["evasion"]) and shown["pooled", "hm"] == pytest.approx(expected["pooled"])
    assert shown["evasion", "hm - hm_sc"] is None and shown["pooled", "hm - hm_sc"] is None
