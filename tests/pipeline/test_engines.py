"""The engine of the steps is chosen by a variable, and GPUs are asked for only where somebody said that there are any."""

import dagster as dg
import pytest

from asteer_core.errors import ConfigError
from asteer_pipeline import engines
from asteer_pipeline.engines import ENGINES, Engine, chosen_executor, gpu_tags


@pytest.mark.parametrize("name, expected", [(None, "in_process"), ("in_process", "in_process"), ("multiprocess", "multiprocess")])
def test_the_variable_names_the_executor(monkeypatch, name, expected):
    monkeypatch.delenv("ASTEER_EXECUTOR", raising=False)
    if name:
        monkeypatch.setenv("ASTEER_EXECUTOR", name)
    assert chosen_executor().name == expected


def test_an_unknown_engine_is_an_error_with_the_nearest(monkeypatch):
    monkeypatch.setenv("ASTEER_EXECUTOR", "k8")
    with pytest.raises(ConfigError, match="Did you mean 'k8s'"):
        chosen_executor()


def test_an_engine_without_its_package_says_which_extra(monkeypatch):
    monkeypatch.setitem(engines.ENGINES, "ray", Engine("no_such_package", "ray_executor", "ray"))
    monkeypatch.setenv("ASTEER_EXECUTOR", "ray")
    with pytest.raises(ConfigError, match=r"pip install 'asteer\[ray\]'"):
        chosen_executor()


def test_every_job_and_the_default_take_the_chosen_engine(monkeypatch, defs, home):
    from asteer_pipeline.definitions import build_defs

    monkeypatch.setenv("ASTEER_EXECUTOR", "multiprocess")
    repository = build_defs().get_repository_def()
    assert repository.get_job("study_5_corpora").executor_def.name == "multiprocess"
    assert defs.get_repository_def().get_job("study_5_corpora").executor_def.name == "in_process"


def test_gpus_are_asked_for_by_steps_and_runs_that_load_a_model(monkeypatch, home):
    from asteer_pipeline.definitions import build_defs

    monkeypatch.setenv("ASTEER_GPUS_PER_STEP", "2")
    repository = build_defs().get_repository_def()
    asked = {job: "dagster-k8s/config" in repository.get_job(job).tags for job in ("study_1_concepts", "study_5_corpora", "study_6_scores")}
    assert asked == {"study_1_concepts": False, "study_5_corpora": True, "study_6_scores": False}
    op = repository.assets_defs_by_key[dg.AssetKey("steered_corpora")].op
    assert '"nvidia.com/gpu": "2"' in op.tags["dagster-k8s/config"] and '"num_gpus": 2' in op.tags["dagster-ray/config"]


def test_a_number_of_gpus_that_is_none_is_an_error(monkeypatch):
    assert gpu_tags() == {}
    monkeypatch.setenv("ASTEER_GPUS_PER_STEP", "one")
    with pytest.raises(ConfigError, match="whole number"):
        gpu_tags()


@pytest.mark.slow
def test_the_engines_of_a_fleet_are_there_and_take_the_tags(monkeypatch):
    from dagster_k8s.job import UserDefinedDagsterK8sConfig

    for name in ("k8s", "ray"):
        monkeypatch.setenv("ASTEER_EXECUTOR", name)
        assert isinstance(chosen_executor(), dg.ExecutorDefinition), ENGINES[name]
    monkeypatch.setenv("ASTEER_GPUS_PER_STEP", "1")
    config = UserDefinedDagsterK8sConfig.from_dict(gpu_tags()["dagster-k8s/config"])
    assert config.container_config["resources"]["limits"] == {"nvidia.com/gpu": "1"}
