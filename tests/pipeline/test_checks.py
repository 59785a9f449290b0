"""The asset checks: each finds what it is for in stored tables, and lets sound tables pass."""

import math
from types import SimpleNamespace

import dagster as dg
import polars as pl
import pytest

from asteer_core.detectors import AUDITS
from asteer_core.warehouse import Store
from asteer_pipeline.checks import build_checks, corpora, detectors, measurements, metrics, splits, vectors
from asteer_pipeline.checks._check import Finding
from asteer_pipeline.runner import StageFailed, run_study

PAIRS = [("evasion", "m:caa:L01:s0.50")]


@pytest.fixture
def ws(tmp_path):
    plan = SimpleNamespace(concepts=("evasion",), pairs=PAIRS, cells=[("evasion", "m")], vectors=[("evasion", "m:caa")])
    return SimpleNamespace(
        plan=plan, store=Store(tmp_path), home=tmp_path, study=SimpleNamespace(name="s", selection=SimpleNamespace(min_separation=0.7))
    )


def put(ws, table, rows, key="m:caa:L01:s0.50"):
    ws.store.write(table, pl.DataFrame(rows), "key", "evasion", key)


def test_a_group_in_two_splits_is_a_leak(ws):
    rows = pl.DataFrame({"group": ["a", "b"], "split": ["judge", "test"]})
    ws.concept = lambda name: SimpleNamespace(pairs=rows, prompts=rows, judge=rows, real=rows)
    assert splits.split_leaks(ws) == Finding(2)
    leak = pl.DataFrame({"group": ["a"], "split": ["test"]})
    ws.concept = lambda name: SimpleNamespace(pairs=rows, prompts=rows, judge=rows, real=leak)
    assert splits.split_leaks(ws).problems == ["evasion: group a stands in judge, test"]


def test_vectors_that_hardly_separate_are_named_and_random_ones_are_not(ws):
    row = {"concept": "evasion", "model": "m", "method": "caa", "layer": 1}
    put(
        ws,
        "steering_vectors",
        [row | {"separation": s, "weak": s != 0.9} for s in (0.9, 0.6, None)]
        + [row | {"method": "random", "separation": 0.5, "weak": None}],
        "m:caa",
    )
    finding = vectors.weak_vectors(ws)
    assert finding.seen == 3
    assert ["separation 0.6, below 0.7" in text for text in finding.problems] == [True, False]
    assert "separation None" in finding.problems[1]


def test_a_configuration_without_a_block_or_strength_is_named_with_the_reason(ws):
    put(
        ws,
        "corpora",
        [{"configuration_id": "one", "reason": None}, {"configuration_id": "two", "reason": "out of reach"}],
        ws.plan.pairs[0][1],
    )
    finding = corpora.unresolved_dials(ws)
    assert (finding.seen, finding.problems) == (2, ["out of reach"])


def test_a_steered_corpus_without_a_steered_token_is_named(ws):
    put(
        ws,
        "corpora",
        [{"configuration_id": n, "steered_tokens": s, "n_tokens": t} for n, s, t in (("ok", 5, 9), ("off", 0, 9), ("empty", 0, 0))],
    )
    assert corpora.unsteered_corpora(ws) == Finding(3, ["off: no token was steered"])


def test_mostly_undefined_measurements_are_named(ws):
    good = [{"configuration_id": "good", "judge_probability": 0.5, "nll": 1.0, "relevance_cosine": 0.1}] * 20
    bad = [{"configuration_id": "bad", "judge_probability": 0.5, "nll": None, "relevance_cosine": 0.1}] * 2
    put(ws, "measurements", good + bad)
    assert measurements.undefined_measurements(ws, PAIRS) == Finding(2, ["bad: 100% of nll undefined"])


@pytest.mark.parametrize(("value", "wrong"), [(0.5, False), (None, False), (1.2, True), (-0.1, True), (math.nan, True), (math.inf, True)])
def test_metrics_are_finite_shares_or_null(ws, value, wrong):
    put(ws, "corpus_metrics", {"configuration_id": ["c"], "hm": pl.Series([value], dtype=pl.Float64), "self_bleu": [40.0]})
    finding = metrics.impossible_metrics(ws, PAIRS)
    assert finding.seen == 1 and bool(finding.problems) is wrong


def test_detectors_are_named_by_the_audit_that_flags_them_and_by_no_other(ws):
    rows = [{"configuration_id": "c", "detector": d, "flags": f, "length_auroc": 0.9} for d, f in (("embedding", ""), ("tfidf", "length"))]
    put(ws, "detector_metrics", rows)
    for audit in AUDITS:
        named = ["c, tfidf: length_auroc 0.90"] if audit.name == "length" else []
        assert detectors.flagged_by(audit)(ws, PAIRS) == Finding(2, named)


def test_nothing_stored_is_not_a_pass_and_an_unreadable_warehouse_is_a_finding(defs, fake, home, instance, mini):
    run_study(mini, home, instance=instance)
    for asset, check, says in (
        ("detectors", "no_length_flags", "nothing is stored"),
        ("warehouse", "no_warehouse_gaps", "no warehouse there"),
    ):
        key = dg.AssetCheckKey(dg.AssetKey(asset), check)
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
        evaluation = record.event.dagster_event.asset_check_evaluation_data
        assert not evaluation.passed and says in evaluation.metadata["which"].value


def test_a_leak_between_splits_stops_what_would_be_built_on_it(fake, home, instance, mini):
    fake.leaking.add("evasion")
    with pytest.raises(StageFailed, match="no_split_leaks"):
        run_study(mini, home, instance=instance)
    assert {call[0] for call in fake.calls} == {"contrastive_prompts", "judges"}


def test_every_stage_that_computes_numbers_has_a_check():
    checked = {key.asset_key.to_user_string() for check in build_checks() for key in check.check_keys}
    assert checked >= {"steering_vectors", "steered_corpora", "measurements", "corpus_metrics", "detectors", "warehouse"}
    assert all(isinstance(check, dg.AssetChecksDefinition) for check in build_checks())
