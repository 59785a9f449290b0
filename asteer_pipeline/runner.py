"""Materialises a whole study through Dagster in this process, so that the UI shows it afterwards.

What does not belong here: the terminal (`cli`), and definitions. A few runs do it: each takes every stage that is ready over one
partition definition, for the whole rectangle of its partitions, which is one event log and one model load.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError

from asteer_core.errors import AsteerError
from asteer_core.paths import home as default_home
from asteer_pipeline.definitions import build_defs
from asteer_pipeline.event_writes import fewer_flushes
from asteer_pipeline.instance import opened
from asteer_pipeline.on_demand import GROUP as ON_DEMAND
from asteer_pipeline.recording import FAILED_PARTITIONS
from asteer_pipeline.requests import RANGE_END, RANGE_START
from asteer_pipeline.resources import Progress, WorkspaceResource, shared_workspace

STUDY_TAG = "asteer/study"

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Dagster's console log would drown the progress bars; the UI has the full log."""

NO_COMPUTE_LOGS = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
"""Capturing a step's output starts two processes per step and takes the terminal away from the progress bars."""


@dataclass(frozen=True)
class Batch:
    """Stages that one run materialises together: they share a partition definition and wait for nothing outside but finished batches."""

    assets: tuple[str, ...]
    first: str | None
    last: str | None

    @property
    def tags(self) -> dict[str, str]:
        """The run tags that ask for the whole rectangle of partitions."""
        return {RANGE_START: self.first, RANGE_END: self.last} if self.first is not None and self.last is not None else {}


class StageFailed(AsteerError):
    """A stage failed for a reason that a user can fix; what it had finished is kept."""


class PartlyFailed(StageFailed):
    """Some partitions of a stage failed; the others are stored, and later stages can go on with them.

    Attributes:
        asset: the stage.
    """

    def __init__(self, message: str, asset: str) -> None:
        super().__init__(message)
        self.asset = asset


class Interrupted(AsteerError):
    """The run was interrupted (Ctrl-C or a termination signal); what was finished is kept.

    Attributes:
        kept: asset -> (recorded partitions, all partitions).
    """

    kept: Mapping[str, tuple[int, int]] = MappingProxyType({})


def run_study(study: str, home: Path | None = None, progress: Progress | None = None, instance: dg.DagsterInstance | None = None) -> int:
    """Materialise everything in `study` and return the number of Dagster runs it took. Current stored results are adopted.

    Args:
        study: name of a preset, or path of a study file.
        home: directory of the results; None = ASTEER_HOME, else `./.asteer`.
        progress: called as (stage, done, total, note) while stages work.
        instance: where the runs are recorded; None = the instance under `<home>/dagster`.

    Raises:
        ConfigError: the study cannot be read or names something unknown, or a key it needs is not set; nothing has run.
        StageFailed: a stage failed; the finished partitions are kept and recorded.
        Interrupted: Ctrl-C or a termination signal; likewise.
    """
    root = (home or default_home()).resolve()
    workspace = shared_workspace(study, str(root))
    workspace.progress = progress
    workspace.check_before_running()
    defs = build_defs(study, resources={"workspace": WorkspaceResource(study=study, home=str(root))}, home=root)
    job = defs.resolve_implicit_global_asset_job_def()
    todo = batches(defs)
    with fewer_flushes(), _instance(instance, root) as recorder:
        failures: list[PartlyFailed] = []
        for batch in todo:
            try:
                _go_on(job, batch, recorder, study, progress, failures)
            except Interrupted as interrupt:
                interrupt.kept = _recorded(defs, recorder)
                raise
            except StageFailed as stopped:
                # A stage over the whole study finds nothing to work on where every partition before it failed; the cause is theirs.
                if failures:
                    raise _summary(failures, stopped) from stopped
                raise
    if failures:
        raise _summary(failures)
    return len(todo)


def _go_on(
    job: dg.JobDefinition, batch: Batch, instance: dg.DagsterInstance, study: str, progress: Progress | None, failures: list[PartlyFailed]
) -> None:
    """Materialise a batch; where some partitions of a stage fail, add to `failures` and do the stages after it for the others."""
    while batch.assets:
        try:
            result = _materialise(job, batch, instance, study)
        except PartlyFailed as failure:
            failures.append(failure)
            batch = replace(batch, assets=batch.assets[batch.assets.index(failure.asset) + 1 :])
            continue
        if progress is not None:
            _report(result, batch, progress)
        break


def _summary(failures: Sequence[PartlyFailed], stopped: StageFailed | None = None) -> StageFailed:
    """Return the first failure in full, for what lies behind it mostly lacks the same input; `stopped`: what ended the study early."""
    behind = [failure.asset for failure in failures[1:]]
    also = f"\nThe same, or what depends on it, is missing in: {', '.join(behind)}." if behind else ""
    if stopped is not None:
        also += f"\nSo the study ends early: {stopped}"
    elif behind:
        also += " Everything else is made."
    return StageFailed(f"{failures[0]}{also}")


def batches(defs: dg.Definitions) -> list[Batch]:
    """Return the runs that make everything in `defs`, in order; the fewest that a greedy walk along the graph finds."""
    graph = defs.resolve_asset_graph()
    ordered = [key for level in graph.toposorted_asset_keys_by_level for key in sorted(level)]
    waiting = [key for key in ordered if graph.get(key).is_materializable and graph.get(key).group_name != ON_DEMAND]
    made: set[dg.AssetKey] = set()
    found: list[Batch] = []
    while waiting:
        definition = graph.get(next(key for key in waiting if graph.get(key).parent_keys <= made)).partitions_def
        chosen: list[dg.AssetKey] = []
        for key in waiting:
            node = graph.get(key)
            if node.partitions_def == definition and node.parent_keys <= made | set(chosen):
                chosen.append(key)
        keys = definition.get_partition_keys() if definition is not None else [None]
        found.append(Batch(tuple(key.to_user_string() for key in chosen), keys[0], keys[-1]))
        made.update(chosen)
        waiting = [key for key in waiting if key not in made]
    return found


@contextmanager
def _instance(given: dg.DagsterInstance | None, root: Path) -> Iterator[dg.DagsterInstance]:
    if given is not None:
        yield given
    else:
        with opened(root, overrides={"compute_logs": NO_COMPUTE_LOGS}) as instance:
            yield instance


def _materialise(job: dg.JobDefinition, batch: Batch, instance: dg.DagsterInstance, study: str) -> dg.ExecuteInProcessResult:
    run_id = str(uuid.uuid4())
    try:
        return job.execute_in_process(
            run_config=QUIET,
            instance=instance,
            asset_selection=[dg.AssetKey.from_user_string(name) for name in batch.assets],
            tags={**batch.tags, STUDY_TAG: Path(study).stem},
            run_id=run_id,
        )
    except DagsterAssetCheckFailedError as failure:
        raise StageFailed(
            f"{failure}; what is stored may not be built on. The check's page in `asteer ui` lists what it found"
        ) from failure
    except dg.Failure as failure:
        description = failure.description or "a stage failed without saying why"
        steps = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        failed = next((log.step_key for log in steps if log.step_key in batch.assets), None)
        if FAILED_PARTITIONS in failure.metadata and failed is not None:
            raise PartlyFailed(description, failed) from failure
        raise StageFailed(description) from failure
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError) as interrupt:
        raise Interrupted("interrupted") from interrupt


def _report(result: dg.ExecuteInProcessResult, batch: Batch, progress: Progress) -> None:
    for name in batch.assets:
        events = result.asset_materializations_for_node(name)
        adopted = sum(bool(event.metadata["reused"].value) for event in events)
        progress(name, len(events), len(events), f"{len(events) - adopted} made, {adopted} kept from before")


def _recorded(defs: dg.Definitions, instance: dg.DagsterInstance) -> dict[str, tuple[int, int]]:
    graph = defs.resolve_asset_graph()
    found = {}
    for key in graph.toposorted_asset_keys:
        definition = graph.get(key).partitions_def
        if definition is not None:
            known = set(definition.get_partition_keys())
            found[key.to_user_string()] = (len(known & instance.get_materialized_partitions(key)), len(known))
    return found
