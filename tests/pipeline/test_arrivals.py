"""Models that arrive: noticed once, taken through the steps in bounded runs, and nothing is asked for twice."""

import json
import shutil
import uuid
from types import SimpleNamespace

import dagster as dg
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from asteer_core.errors import ConfigError
from asteer_core.paths import data_root
from asteer_core.study import Plan
from asteer_pipeline import requests, sensors
from asteer_pipeline.definitions import build_defs
from asteer_pipeline.jobs import Step
from asteer_pipeline.requests import CHAIN_TAG, MODEL_TAG, RANGE_END, RANGE_START, partitions_per_run, rectangles
from asteer_pipeline.schedules import REGENERATION

STUDY = {
    "name": "all", "concepts": ["toxicity"], "models": "all", "grid": [{"method": "caa", "layers": ["50%"], "strengths": [0.3, 0.6]}],
    "size": {"prompts": 16}, "metrics": {"m": 8},
}  # fmt: skip
KEYS = [f"m:caa:L{n:02d}:s0.50" for n in range(6)]
CORPORA = Step("study_5_corpora", ("steered_corpora",), "configuration", "")


@given(st.sets(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(KEYS))), st.integers(1, 8))
def test_rectangles_cover_exactly_what_is_unfinished_in_bounded_runs(lacking, most):
    ws = SimpleNamespace(plan=Plan(("a", "b", "c"), ("m",), tuple(KEYS), ("m:caa",)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests, "unfinished", lambda ws, asset, partitions: [one for one in partitions if one in lacking])
        found = list(rectangles(ws, CORPORA, "m", most))
    covered = [(concept, key) for concepts, keys in found for concept in concepts for key in keys]
    assert sorted(covered) == sorted(lacking), "each partition once, and no other"
    assert all(len(concepts) * len(keys) <= most for concepts, keys in found)


def test_a_wrong_bound_is_refused(monkeypatch):
    monkeypatch.setenv("ASTEER_PARTITIONS_PER_RUN", "many")
    with pytest.raises(ConfigError, match="whole number above 0"):
        partitions_per_run()


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A home and a study over all models, in which `missing` says what is unfinished."""
    study = tmp_path / "all.yaml"
    study.write_text(yaml.safe_dump(STUDY))
    monkeypatch.setenv("ASTEER_HOME", str(tmp_path))
    monkeypatch.setenv("ASTEER_STUDY", str(study))
    missing: set[str] = set()
    monkeypatch.setattr(requests, "unfinished", lambda ws, asset, partitions: list(partitions) if asset in missing else [])
    monkeypatch.setattr(requests, "is_current", lambda ws, asset, partition=None: asset not in missing)
    return SimpleNamespace(home=tmp_path, study=str(study), missing=missing)


def drop(home, name):
    folder = home / "models" / name
    folder.mkdir(parents=True)
    for file in ("config.json", "model.safetensors"):
        shutil.copyfile(data_root() / "models" / "neox-2m" / file, folder / file)


def tick(world, name, instance, cursor=None):
    sensor = build_defs(world.study).get_repository_def().get_sensor_def(name)
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    return sensor(context)


def asked(result):
    return [(run.tags[MODEL_TAG], [key.to_user_string() for key in run.asset_selection]) for run in result.run_requests or []]


def test_a_new_model_is_started_once_and_survives_a_restart(world, instance):
    world.missing |= {"steering_vectors", "steered_corpora"}
    first = tick(world, "new_models", instance)
    assert asked(first) == [("llama-3m", ["steering_vectors"]), ("neox-2m", ["steering_vectors"])]
    assert first.run_requests[0].tags[RANGE_START] == first.run_requests[0].tags[RANGE_END] == "toxicity|llama-3m:caa"
    again = tick(world, "new_models", instance, first.cursor)
    assert asked(again) == [] and "nothing new" in again.skip_reason.skip_message
    lost = tick(world, "new_models", instance, None)
    assert [run.run_key for run in lost.run_requests] == [run.run_key for run in first.run_requests], "Dagster runs a key once"
    drop(world.home, "newcomer")
    third = tick(world, "new_models", instance, first.cursor)
    assert asked(third) == [("newcomer", ["steering_vectors"])]


def test_keys_that_the_definitions_lack_are_loaded_before_anything_is_asked_for(world, instance):
    sensor = build_defs(world.study).get_repository_def().get_sensor_def("new_models")
    drop(world.home, "newcomer")
    world.missing.add("steering_vectors")
    result = sensor(dg.build_sensor_context(instance=instance, cursor="{}"))
    assert not result.run_requests and result.cursor == "{}"
    assert "press Reload" in result.skip_reason.skip_message


def test_a_typo_in_the_registry_is_told_and_the_other_models_go_on(world, instance):
    (world.home / "models.yaml").write_text("- {name: bad, sorce: x}")
    result = tick(world, "new_models", instance)
    assert "Did you mean 'source'" in result.skip_reason.skip_message
    world.missing.add("judges")
    assert len(asked(tick(world, "new_models", instance))) == 2


def put(instance, step, status, chain="arrival-m", model="neox-2m", parent=None, **fields):
    tags = {CHAIN_TAG: chain, MODEL_TAG: model, "asteer/step": step}
    run = dg.DagsterRun(
        job_name="__ASSET_JOB", run_id=str(uuid.uuid4()), status=status, tags=tags, parent_run_id=parent, root_run_id=parent, **fields
    )
    return instance.add_run(run)


DONE, FAILED, BUSY = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED


def test_a_chain_goes_on_when_its_step_has_ended_and_closes_when_nothing_is_left(world, instance):
    world.missing |= {"steered_corpora", "leaderboard"}
    put(instance, "study_2_vectors", DONE)
    busy = put(instance, "study_2_vectors", BUSY)
    waiting = tick(world, "next_steps", instance)
    assert asked(waiting) == []
    instance.delete_run(busy.run_id)
    put(instance, "study_2_vectors", FAILED)
    going = tick(world, "next_steps", instance, waiting.cursor)
    assert asked(going) == [("neox-2m", ["measurements", "steered_corpora"])], "one of two runs failed: the rest goes on"
    put(instance, "study_5_corpora", DONE)
    world.missing.remove("steered_corpora")
    assert "leaderboard" in asked(tick(world, "next_steps", instance, going.cursor))[0][1]
    world.missing.clear()
    closed = tick(world, "next_steps", instance, going.cursor)
    assert asked(closed) == [] and list(json.loads(closed.cursor)) == ["arrival-m"]
    world.missing.add("leaderboard")
    assert asked(tick(world, "next_steps", instance, closed.cursor)) == []


def test_a_chain_whose_step_failed_waits_until_somebody_runs_it_again(world, instance):
    world.missing.add("steered_corpora")
    failed = put(instance, "study_2_vectors", FAILED)
    put(instance, "study_2_vectors", DONE, chain="arrival-other", model="llama-3m")
    assert asked(tick(world, "next_steps", instance)) == [("llama-3m", ["measurements", "steered_corpora"])]
    put(instance, "study_2_vectors", DONE, parent=failed.run_id)
    assert ("neox-2m", ["measurements", "steered_corpora"]) in asked(tick(world, "next_steps", instance))


def test_a_model_that_was_removed_is_not_taken_further(world, instance):
    world.missing.add("steered_corpora")
    put(instance, "study_2_vectors", DONE, model="gone")
    assert asked(tick(world, "next_steps", instance)) == []


def test_regeneration_names_the_models_that_lack_something_and_their_steps_follow(world, instance):
    (world.home / "models.yaml").write_text("- {name: old, source: x/y, retired: true}")
    job = build_defs(world.study).resolve_job_def(REGENERATION)
    assert job.execute_in_process(instance=instance).success
    assert asked(tick(world, "next_steps", instance)) == []
    world.missing.add("corpus_metrics")
    assert job.execute_in_process(instance=instance).success
    result = tick(world, "next_steps", instance)
    assert [model for model, _ in asked(result)] == ["llama-3m", "neox-2m"]
    assert all(run.run_key.startswith("regeneration-") for run in result.run_requests)


def test_declarative_automation_asks_for_what_is_missing_and_ready_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("ASTEER_HOME", str(tmp_path))
    study = tmp_path / "one.yaml"
    study.write_text(yaml.safe_dump({**STUDY, "models": ["neox-2m"]}))
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.evaluate_automation_conditions(build_defs(str(study)), instance)
        assert first.get_requested_partitions(dg.AssetKey("judges")) == {"toxicity"}
        assert first.get_requested_partitions(dg.AssetKey("steering_vectors")) == set()
        for name in ("judges", "contrastive_prompts"):
            instance.report_runless_asset_event(dg.AssetMaterialization(name, partition="toxicity"))
        instance.report_runless_asset_event(dg.AssetMaterialization("steering_vectors", partition="toxicity|neox-2m:caa"))
        study.write_text(yaml.safe_dump({**STUDY, "models": ["neox-2m", "llama-3m"]}))
        second = dg.evaluate_automation_conditions(build_defs(str(study)), instance, cursor=first.cursor)
        assert second.get_requested_partitions(dg.AssetKey("steering_vectors")) == {"toxicity|llama-3m:caa"}, (
            "a model arrived: only its keys"
        )
        corpora = second.get_requested_partitions(dg.AssetKey("steered_corpora"))
        assert corpora and all("neox-2m" in key for key in corpora)


def test_what_sensors_know_is_read_even_where_the_cursor_is_broken(world, instance):
    assert not sensors._cursor(SimpleNamespace(cursor="not JSON"))
    assert tick(world, "new_models", instance, "not JSON").cursor != "not JSON"
