"""The sensors: models that arrive or change are taken through the steps of the study, and so is what the schedule regenerates.

What does not belong here: what a step asks for (`requests`), alerts (`alerts`), the hub (`hub`), declarative automation (`automation`).

They ship stopped, because they spend GPU hours; ASTEER_AUTOMATION=on starts them with the deployment. Everything they know is in their
cursor and in the tags of the runs they caused, so they go on after a restart, and the same run is never caused twice (run keys).
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from asteer_core.model.signatures import signature
from asteer_core.paths import data_root
from asteer_core.paths import home as default_home
from asteer_core.study import Plan, Workspace, load_study, plan
from asteer_core.study.depth import depth_under
from asteer_pipeline.automation import sensor_default
from asteer_pipeline.jobs import STEP_TAG, Step
from asteer_pipeline.reloading import request_reload
from asteer_pipeline.requests import CHAIN_TAG, MODEL_TAG, next_requests
from asteer_pipeline.schedules import REGENERATION

REMEMBERED = timedelta(days=30)
"""How far back chains are looked for; a chain that stood still for longer is given up."""
EVERY_SECONDS = 30
"""Least time between two looks, unless ASTEER_SENSOR_SECONDS says otherwise."""


def build_sensors(study: str | None, loaded: Plan, steps: Sequence[Step]) -> list[dg.SensorDefinition]:
    """Return the sensors of a study; `loaded` is the plan whose keys the definitions have."""
    every_seconds = int(os.environ.get("ASTEER_SENSOR_SECONDS") or EVERY_SECONDS)
    every = dg.AssetSelection.assets(*[name for step in steps for name in step.assets])

    @dg.sensor(asset_selection=every, minimum_interval_seconds=every_seconds, default_status=sensor_default())
    def new_models(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """Notices models that were registered or changed, takes their partitions in, and starts their first step."""
        home = default_home()
        found = load_study(study, home)
        if plan(found, depth_under(home)) != loaded:
            return dg.SensorResult(
                skip_reason=f"models, concepts or the study file changed: {request_reload(context)}", cursor=context.cursor
            )
        ws = Workspace(found, home)
        known = _cursor(context)
        now = {name: signature(ws.spec(name), data_root()) for name in ws.plan.models if not ws.spec(name).retired}
        requests: list[dg.RunRequest] = []
        for model, sign in now.items():
            if known.get(model) != sign:
                requests += next_requests(ws, steps, f"arrival-{model}-{sign[:8]}", model)
        notes = "; ".join(ws.available.problems.values())
        if notes:
            context.log.warning(f"left out of the registry: {notes}")
        why = None if requests else f"nothing new among {len(now)} models{f'; left out: {notes}' if notes else ''}"
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(now, sort_keys=True), skip_reason=why)

    @dg.sensor(asset_selection=every, minimum_interval_seconds=every_seconds, default_status=sensor_default())
    def next_steps(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """Starts the next step of every chain whose last step has ended; where all of its runs failed, the chain waits for a person."""
        closed = _cursor(context)
        chains = open_chains(context.instance, steps, closed)
        if not chains:
            return dg.SensorResult(skip_reason="no chain waits for its next step", cursor=json.dumps(closed, sort_keys=True))
        ws = Workspace(load_study(study, default_home()), default_home())
        requests: list[dg.RunRequest] = []
        for chain, (model, done) in chains.items():
            found = next_requests(ws, steps[done:], chain, model) if model in ws.plan.models else []
            requests += found
            if not found:
                closed[chain] = datetime.now(UTC).isoformat()
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(_recent(closed), sort_keys=True))

    return [new_models, next_steps]


def open_chains(instance: dg.DagsterInstance, steps: Sequence[Step], closed: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Return chain -> (model, number of its steps that have ended) of the chains that may go on now.

    A chain waits while a run of its last step is under way, and while every run of it has failed.
    """
    since = dg.RunsFilter(created_after=datetime.now(UTC) - REMEMBERED)
    place = {step.name: number for number, step in enumerate(steps)}
    last: dict[str, tuple[int, str, list[dg.DagsterRunStatus]]] = {}
    # The newest run of a part speaks for it: one that was run again from the UI counts, and the one it replaces does not.
    for run in _newest(instance.get_runs(filters=since)):
        chain, model = run.tags[CHAIN_TAG], run.tags[MODEL_TAG]
        number = place.get(run.tags.get(STEP_TAG, ""), -1)
        have = last.get(chain, (-1, model, []))
        if number > have[0]:
            last[chain] = (number, model, [run.status])
        elif number == have[0]:
            have[2].append(run.status)
    found = {
        chain: (model, number + 1)
        for chain, (number, model, statuses) in last.items()
        if chain not in closed and all(status in FINISHED_STATUSES for status in statuses) and dg.DagsterRunStatus.SUCCESS in statuses
    }
    for run in instance.get_runs(filters=dg.RunsFilter(job_name=REGENERATION, statuses=[dg.DagsterRunStatus.SUCCESS])):
        for model in json.loads(run.tags.get(MODEL_TAG, "[]")):
            chain = f"regeneration-{run.run_id[:8]}-{model}"
            if chain not in last and chain not in closed:
                found[chain] = (model, 0)
    return found


def _newest(runs: Sequence[dg.DagsterRun]) -> Iterator[dg.DagsterRun]:
    replaced: set[str] = set()
    for run in runs:  # newest first
        if CHAIN_TAG in run.tags and run.run_id not in replaced:
            yield run
        if run.parent_run_id:
            replaced.add(run.parent_run_id)


def _cursor(context: dg.SensorEvaluationContext) -> dict[str, str]:
    try:
        found = json.loads(context.cursor or "{}")
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def _recent(closed: Mapping[str, str]) -> dict[str, str]:
    oldest = (datetime.now(UTC) - REMEMBERED).isoformat()
    return {chain: when for chain, when in closed.items() if when > oldest}
