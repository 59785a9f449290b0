"""What the embedded models are for: a push raises success and costs coherence. Correlations with AUROC are never asserted."""

import polars as pl
import pytest

from asteer_core.study import Workspace, parse_study, run_line

CONCEPTS = ("toxicity", "sycophancy", "fabrication", "evasion")
ROWS = {"pairs.jsonl": 120, "prompts.jsonl": 48, "judge.jsonl": 300, "real.jsonl": 10}
STRONGEST = 0.55


@pytest.fixture(scope="module")
def metrics(tmp_path_factory, reduced_data):
    """Corpus metrics of the unsteered, prompted and most strongly steered replies of all shipped concepts."""
    study = parse_study(
        {
            "name": "dynamics",
            "concepts": list(CONCEPTS),
            "models": ["neox-2m"],
            "grid": [{"method": "caa", "layers": [0], "strengths": [STRONGEST]}],
            "controls": {"templates": 1},
            "sampling": {"max_new_tokens": 72, "temperature": 0.9, "top_p": 0.95},
            "size": {"prompts": 48},
            "metrics": {"m": 32},
        },
        "dynamics",
    )
    ws = Workspace(study, home=tmp_path_factory.mktemp("home"), data_root=reduced_data(CONCEPTS, ROWS))
    list(run_line(ws, until="corpus_metrics"))
    return ws.store.read_many("corpus_metrics", [*ws.plan.pairs, *ws.plan.cells])


def values(metrics, method, column):
    """Return the value of one method per concept."""
    rows = metrics.filter(pl.col("method") == method)
    return dict(zip(rows["concept"], rows[column], strict=True))


def test_steering_raises_success_by_three_tenths_on_three_of_four_concepts(metrics):
    plain, pushed = values(metrics, "unsteered", "success"), values(metrics, "caa", "success")
    gains = {concept: pushed[concept] - plain[concept] for concept in CONCEPTS}
    assert sum(gain >= 0.3 for gain in gains.values()) >= 3, gains


def test_steering_costs_coherence_on_every_concept(metrics):
    plain, pushed = values(metrics, "unsteered", "coherence"), values(metrics, "caa", "coherence")
    assert all(pushed[concept] < plain[concept] for concept in CONCEPTS), (plain, pushed)


def test_prompting_violates_part_of_the_time(metrics):
    prompted = values(metrics, "prompted", "success")
    assert all(0.2 < prompted[concept] < 0.9 for concept in CONCEPTS), prompted
