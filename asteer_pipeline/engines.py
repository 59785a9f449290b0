"""Which engine runs the steps: this process, processes of this machine, or a cluster; chosen by `ASTEER_EXECUTOR`.

What does not belong here: what a step does (`assets`), and where runs are launched: that is the instance's (`dagster.yaml`).
"""

import os
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import dagster as dg

from asteer_core.errors import ConfigError, unknown_name

VARIABLE = "ASTEER_EXECUTOR"
GPUS = "ASTEER_GPUS_PER_STEP"
GPU_RESOURCE = "ASTEER_GPU_RESOURCE"


@dataclass(frozen=True)
class Engine:
    """An executor and where it comes from; `extra` is None for what Dagster itself brings."""

    module: str
    name: str
    extra: str | None = None


ENGINES = {
    "in_process": Engine("dagster", "in_process_executor"),
    "multiprocess": Engine("dagster", "multiprocess_executor"),
    "k8s": Engine("dagster_k8s", "k8s_job_executor", "k8s"),
    "ray": Engine("dagster_ray", "ray_executor", "ray"),
    "celery": Engine("dagster_celery", "celery_executor", "celery"),
}


def chosen_executor() -> dg.ExecutorDefinition:
    """Return the executor that `ASTEER_EXECUTOR` names; by default `in_process`, whose steps share the loaded models.

    Raises:
        ConfigError: there is no such engine, or its extra is not installed.
    """
    wanted = os.environ.get(VARIABLE) or "in_process"
    if wanted not in ENGINES:
        raise ConfigError(f"{VARIABLE}: {unknown_name('engine', wanted, ENGINES)}")
    engine = ENGINES[wanted]
    try:
        return getattr(import_module(engine.module), engine.name)
    except ImportError as error:
        raise ConfigError(
            f"{VARIABLE}={wanted} needs the extra {engine.extra!r} ({error}); pip install 'asteer[{engine.extra}]', or unset {VARIABLE}"
        ) from None


def gpu_tags() -> dict[str, Any]:
    """Return the tags of a step or run that loads a language model: the GPUs that Kubernetes and Ray are to give it.

    None unless `ASTEER_GPUS_PER_STEP` is set, since a cluster without such GPUs would never start the step.

    Raises:
        ConfigError: the number is not a whole number of at least 0.
    """
    text = os.environ.get(GPUS) or "0"
    if not text.isdigit():
        raise ConfigError(f"{GPUS}={text!r}: expected a whole number of at least 0")
    count = int(text)
    if not count:
        return {}
    resource = os.environ.get(GPU_RESOURCE) or "nvidia.com/gpu"
    return {
        "dagster-k8s/config": {"container_config": {"resources": {"limits": {resource: str(count)}}}},
        "dagster-ray/config": {"num_gpus": count},
    }
