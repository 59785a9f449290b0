"""The parts of an estimate: they add up, and each grows with what it is made of and with nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asteer_core.concepts import Concept, load_concept
from asteer_core.errors import DataError
from asteer_core.study import load_study, parse_study, plan
from asteer_core.study.estimate import Estimate, estimate
from asteer_core.study.line import LINE

STEERED = {"steered_corpora", "measurements", "corpus_metrics", "detectors"}
CORPORA = STEERED | {"baseline_corpora", "baseline_measurements", "baseline_metrics"}
MORE: dict[str, tuple[dict[str, Any], set[str]]] = {
    "prompts": ({"size": {"prompts": 160}}, CORPORA - {"detectors"}),
    "samples": ({"size": {"prompts": 80, "samples": 2}}, CORPORA - {"detectors"}),
    "tokens": ({"sampling": {"max_new_tokens": 144}}, {"steering_vectors", *CORPORA} - {"detectors", "corpus_metrics", "baseline_metrics"}),
    "strengths": ({"grid": [{"method": "caa", "layers": [1], "strengths": [0.1, 0.2]}]}, {*STEERED, "results"}),
    "methods": (
        {"grid": [{"method": name, "layers": [1], "strengths": [0.3]} for name in ("caa", "pca")]},
        {*STEERED, "steering_vectors", "results"},
    ),
    "templates": ({"controls": {"templates": 6}}, (CORPORA - STEERED) | {"baseline_detectors", "results"}),
    "directions": (
        {"controls": {"templates": 4, "random": {"layers": [0, 1], "strengths": [0.4]}}},
        (CORPORA - STEERED) | {"steering_vectors", "baseline_detectors", "results"},
    ),
    "texts of a subsample": ({"metrics": {"m": 64}}, {"baseline_metrics", "corpus_metrics"}),
    "subsamples": ({"metrics": {"m": 32, "subsamples": 40}}, {"baseline_metrics", "corpus_metrics"}),
    "seeds": ({"detectors": {"kinds": ["embedding"], "seeds": 9}}, {"baseline_detectors", "detectors"}),
    "kinds": ({"detectors": {"kinds": ["embedding", "tfidf"]}}, {"baseline_detectors", "detectors", "saved_detectors"}),
    "resamples": ({"detectors": {"kinds": ["embedding"], "bootstrap": 900}}, {"baseline_detectors", "detectors"}),
    "activations": (
        {"detectors": {"kinds": ["embedding", "activation_probe"]}},
        {"baseline_detectors", "detectors", "saved_detectors"},
    ),
    "models": ({"models": ["llama-3m", "neox-2m"]}, {*CORPORA, "steering_vectors", "baseline_detectors", "results"}),
    "concepts": (
        {"concepts": ["toxicity", "evasion"]},
        {*CORPORA, "judges", "steering_vectors", "baseline_detectors", "saved_detectors", "results"},
    ),
}  # fmt: skip
"""What is asked for more of, and the stages that it makes dearer."""
BASE: dict[str, Any] = {
    "name": "base", "concepts": ["toxicity"], "models": ["llama-3m"], "size": {"prompts": 80}, "sampling": {"max_new_tokens": 72},
    "grid": [{"method": "caa", "layers": [1], "strengths": [0.3]}], "controls": {"templates": 4}, "detectors": {"kinds": ["embedding"]},
    "metrics": {"m": 32},
}  # fmt: skip


def estimated(home: Path, cores: int = 2, **changes: Any) -> Estimate:
    study = parse_study(BASE | changes, "base")
    return estimate(study, plan(study), home, cores)


@pytest.mark.parametrize("what", MORE)
def test_more_of_something_makes_its_own_stages_dearer_and_no_other(what, tmp_path):
    changes, dearer = MORE[what]
    before, after = dict(estimated(tmp_path).stages), dict(estimated(tmp_path, **changes).stages)
    assert {stage for stage in before if after[stage] > before[stage]} == dearer
    assert all(after[stage] == pytest.approx(before[stage]) for stage in before if stage not in dearer)


def test_a_second_concept_of_the_same_size_doubles_what_is_made_for_each(tmp_path):
    one, two = (dict(estimated(tmp_path, concepts=concepts).stages) for concepts in (["toxicity"], ["toxicity", "evasion"]))
    assert all(two[stage] == pytest.approx(2 * one[stage], rel=0.2) for stage in {*CORPORA, "judges", "baseline_detectors"})


def test_activations_that_detectors_read_make_them_dearer(tmp_path):
    plain, probe = (dict(estimated(tmp_path, detectors={"kinds": [kind]}).stages) for kind in ("tfidf", "activation_probe"))
    assert {stage for stage in plain if probe[stage] > plain[stage]} == {"baseline_detectors", "detectors"}


def test_trainings_that_take_long_are_priced_by_themselves(tmp_path):
    few, many = (estimated(tmp_path, detectors={"kinds": [{"kind": "encoder", "seeds": seeds}]}) for seeds in (1, 9))
    assert few.stages == many.stages and few.training != many.training


def test_a_larger_scorer_makes_measurements_dearer_and_nothing_else(tmp_path):
    entry = "- {{name: {0}, source: models/llama-3m, scorer: {1}}}\n"
    (tmp_path / "models.yaml").write_text(entry.format("mine", "neox-2m") + entry.format("yours", "mine"))
    small, large = (dict(estimated(tmp_path, models=[model]).stages) for model in ("mine", "yours"))
    assert {stage for stage in small if large[stage] != small[stage]} == {"baseline_measurements", "measurements"}
    assert large["measurements"] > small["measurements"]


def test_stages_trainings_and_distilling_add_up(tmp_path):
    study = parse_study(BASE | {"metrics": {"m": 32, "embedding": "static"}, "detectors": {"kinds": ["embedding", "encoder"]}}, "base")
    cost = estimate(study, plan(study), tmp_path, cores=1)
    (training,) = cost.training
    assert cost.distils and cost.seconds is not None and training.seconds is not None
    assert cost.seconds == pytest.approx(sum(seconds for _, seconds in cost.stages) + training.seconds + 35)
    assert {stage for stage, _ in cost.stages} - {"start", "results"} < set(LINE)
    assert len(dict(cost.stages)) == len(cost.stages)


def test_cores_speed_up_what_models_do_and_nothing_else(tmp_path):
    two, four, many = (dict(estimated(tmp_path, cores=cores).stages) for cores in (2, 4, 10**9))
    faster = {stage for stage in two if four[stage] < two[stage]}
    assert faster == {"judges", "steering_vectors", *CORPORA, "baseline_detectors"} - {"corpus_metrics", "baseline_metrics", "detectors"}
    assert all(two[stage] / 2 <= four[stage] for stage in two), "twice the cores are at most twice as fast"
    assert many["baseline_corpora"] < two["baseline_corpora"] / 1000 and many["judges"] > 1, "a judge is fitted on one core"
    assert dict(estimated(tmp_path, cores=1).stages) == two, "two cores may be the threads of one"


def test_the_presets_take_minutes_on_two_cores_and_not_seconds(tmp_path):
    quick, paper = (estimate(study, plan(study), tmp_path, cores=2) for study in map(load_study, ("quick", "paper")))
    assert 150 < (quick.seconds or 0) < 360 < 720 < (paper.seconds or 0) < 1800
    stages = dict(quick.stages)
    generation = stages["baseline_corpora"] + stages["steered_corpora"]
    assert generation < sum(stages.values()) / 2, "for a small model most time goes elsewhere"


def test_a_scorer_that_is_not_on_this_disk_leaves_the_time_unknown(tmp_path):
    entries = "- {name: big, source: owner/big, scorer: llama-3m}\n- {name: mine, source: models/llama-3m, scorer: big}\n"
    (tmp_path / "models.yaml").write_text(entries)
    assert estimated(tmp_path).seconds
    cost = estimated(tmp_path, models=["mine"])
    assert cost.seconds is None and cost.stages == () and "not on this disk" in cost.basis


def test_data_sets_that_are_not_here_yet_count_nothing(tmp_path, monkeypatch):
    before, concept = dict(estimated(tmp_path).stages), load_concept("toxicity")

    def missing(self: Concept) -> None:
        raise DataError("data set x is not here")

    monkeypatch.setattr(Concept, "real", property(missing))
    monkeypatch.setattr("asteer_core.study.amounts.load_concept", lambda *_: replace(concept, own=concept.own.head(34)))
    after = dict(estimated(tmp_path).stages)
    assert after["baseline_detectors"] < before["baseline_detectors"] / 2 and after["judges"] == before["judges"]
