"""What one failure costs the rest of the line. The stages are fakes: only which partitions they are asked for matters."""

from types import SimpleNamespace

import pytest

from asteer_core.errors import StoreError
from asteer_core.study import Done, PartialFailure, line, run_line
from asteer_core.study.plan import plan
from asteer_core.study.study import parse_study

STUDY = {
    "name": "small",
    "concepts": ["toxicity", "evasion"],
    "models": ["llama-3m"],
    "grid": [{"method": "caa", "layers": [1], "strengths": [0.3]}, {"method": "pca", "layers": [1], "strengths": [0.3]}],
    "combinations": [{"name": "both", "parts": [{"method": "caa", "layers": [1]}, {"method": "pca", "layers": [2]}], "strengths": [0.3]}],
    "controls": {"random": {"layers": [1], "strengths": [0.3]}},
    "size": {"prompts": 8},
    "metrics": {"m": 4},
}
WHOLE = ("saved_detectors", "leaderboard", "metric_auroc_correlation", "warehouse", "report")


def workspace():
    return SimpleNamespace(plan=plan(parse_study(STUDY, "small")), check_before_running=lambda: None)


@pytest.fixture
def made(monkeypatch):
    """A function failing partitions by stage -> (stage -> partitions made, the failure)."""

    def run(broken):
        asked = {name: [] for name in line.stages.__all__}

        def fake(name):
            def stage(ws, partitions=(("", None),)):
                lost = broken.get(name, {})
                for item in partitions:
                    partition = (item, None) if isinstance(item, str) else item
                    if partition not in lost:
                        asked[name].append(partition)
                        yield Done(*partition, rows=1)
                if lost:
                    raise PartialFailure(name, lost)

            return stage

        for name in line.stages.__all__:
            monkeypatch.setattr(line.stages, name, fake(name))
        ws = workspace()
        try:
            list(run_line(ws))
        except PartialFailure as failure:
            return asked, failure
        return asked, None

    return run


def test_without_a_failure_everything_is_made(made):
    asked, failure = made({})
    assert failure is None
    assert len(asked["detectors"]) == 6 and len(asked["baseline_detectors"]) == 2 and len(asked["report"]) == 1


def test_a_vector_that_cannot_be_fitted_costs_its_configurations_and_combinations_alone(made):
    asked, failure = made({"steering_vectors": {("toxicity", "llama-3m:pca"): "no sign"}})
    lost = {("toxicity", "llama-3m:pca:L01:s0.30"), ("toxicity", "llama-3m:both:s0.30")}
    for stage in ("steered_corpora", "measurements", "detectors"):
        assert len(asked[stage]) == 4 and not lost & set(asked[stage])
    assert all(len(asked[stage]) == 1 for stage in WHOLE)
    assert failure.failures == {("toxicity", "llama-3m:pca"): "steering_vectors: no sign"}


def test_a_random_direction_is_part_of_the_baselines_that_detectors_are_compared_with(made):
    asked, _ = made({"steering_vectors": {("toxicity", "llama-3m:random"): "x"}})
    assert asked["baseline_corpora"] == [("evasion", "llama-3m")]
    asked, _ = made({"baseline_corpora": {("toxicity", "llama-3m"): "x"}})
    assert {concept for concept, _ in asked["detectors"]} == {"evasion"}


def test_a_concept_that_is_lost_costs_itself(made):
    asked, _ = made({"judges": {("evasion", None): "too few rows"}})
    assert {concept for concept, _ in asked["steered_corpora"] + asked["detectors"]} == {"toxicity"}


def test_a_stage_that_fails_as_a_whole_ends_the_line(made, monkeypatch):
    made({})

    def broken(_):
        raise StoreError("disk full")
        yield

    monkeypatch.setattr(line.stages, "leaderboard", broken)
    with pytest.raises(StoreError, match="disk full"):
        list(run_line(workspace()))
