"""Audits as rows: the gates are those of the detectors' room, and every flag is counted once."""

import numpy as np
import pytest

from asteer_core.detectors import flags
from asteer_core.types import Configuration
from asteer_core.warehouse import Store, publish, query
from tests.core.warehouse.conftest import detected, frame_of, identity_of

MEASURES = ("length_auroc", "generator_auroc", "duplicate_share", "positive_share", "judge_overlap")


@pytest.fixture
def audited(tmp_path, rng):
    """Forty detectors with random measures, flagged by the room that audits."""
    store = Store(tmp_path / "s")
    for number in range(40):
        configuration = Configuration("toxicity", "tiny", "caa", number, 0.5)
        measures = {name: None if rng.random() < 0.1 else float(rng.random()) for name in MEASURES}
        measures["generator_auroc"] = float(rng.uniform(0.9, 1))
        measures["duplicate_share"] = float(rng.uniform(0, 0.1))
        row = detected(identity_of("demo", configuration), "steered", rng) | measures | {"flags": ",".join(flags(measures))}
        if number == 0:
            row["flags"] += ",homemade"
        store.write("detector_metrics", frame_of("detector_metrics", [row]), "k", "toxicity", configuration.key)
    publish({"demo": store.root}, tmp_path / "w.duckdb")
    return tmp_path / "w.duckdb"


def test_the_gates_in_sql_are_those_of_the_audits(audited):
    sql = """
    SELECT audit, flagged, value, gate, coalesce(CASE WHEN folded THEN greatest(value, 1 - value) ELSE value END > gate, false) AS beyond
    FROM audits JOIN audit_gates USING (audit, gate)
    """
    found = query(sql, audited)
    assert found.height == 200
    assert found["flagged"].equals(found["beyond"])
    assert 0 < found["flagged"].sum() < 160
    assert set(query("FROM audit_gates", audited)["measure"]) == set(MEASURES)


def test_an_audit_without_a_measure_stands_where_it_was_flagged(audited):
    rows = query("FROM audits WHERE audit = 'homemade'", audited)
    assert rows.height == 1 and rows["flagged"].item() and rows["value"].item() is None


def test_flags_are_counted_per_audit(audited):
    rows = {row["audit"]: row for row in query("FROM audit_flags WHERE concept = 'pooled'", audited).rows(named=True)}
    stored = query("SELECT flags, length_auroc FROM detector_metrics", audited)
    expected = sum("length" in row.split(",") for row in stored["flags"])
    assert rows["length"]["flagged"] == expected
    assert rows["length"]["n"] == 40 - stored["length_auroc"].null_count()
    assert rows["length"]["share_flagged"] == pytest.approx(expected / rows["length"]["n"])
    assert rows["length"]["median_value"] == pytest.approx(np.nanmedian(stored["length_auroc"].to_numpy()))
    assert rows["homemade"]["n"] == rows["homemade"]["flagged"] == 1
