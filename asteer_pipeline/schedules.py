"""The schedule: once a week what is stale is made again.

What does not belong here: the steps that follow (`sensors`). The job finds which models lack something; the sensor `next_steps` sees
that it ended and takes each of them through the steps. It can be launched by hand as well.
"""

import json
import os
from collections.abc import Sequence

import dagster as dg

from asteer_pipeline.automation import is_on
from asteer_pipeline.jobs import Step
from asteer_pipeline.requests import MODEL_TAG, next_requests
from asteer_pipeline.resources import WorkspaceResource

REGENERATION = "regenerate_what_is_stale"
WEEKLY = "0 3 * * 0"


def build_regeneration(steps: Sequence[Step]) -> dg.JobDefinition:
    """Return the job that finds what is missing or stale."""

    @dg.op
    def find_what_is_stale(context: dg.OpExecutionContext, workspace: WorkspaceResource) -> None:
        """Names the models that lack something, and the first step in which they do, as tags of the run and in its log."""
        ws = workspace.open(context.log)
        lacking = []
        for model in ws.plan.models:
            found = [] if ws.spec(model).retired else next_requests(ws, steps, REGENERATION, model)
            if found:
                lacking.append(model)
                context.log.info(f"{model}: {len(found)} runs of {(found[0].run_key or '').split('/')[1]}, then what depends on them")
        context.log.info(f"{len(lacking)} of {len(ws.plan.models)} models lack something")
        context.instance.add_run_tags(context.run_id, {MODEL_TAG: json.dumps(lacking)})

    @dg.job(name=REGENERATION, executor_def=dg.in_process_executor)
    def regenerate() -> None:
        """Finds what is missing or stale; the sensor `next_steps` then makes it, model by model, in bounded runs."""
        find_what_is_stale()

    return regenerate


def build_schedules(regeneration: dg.JobDefinition) -> list[dg.ScheduleDefinition]:
    """Return the weekly regeneration: Sunday at 3, or as ASTEER_REGENERATE_CRON says."""
    return [
        dg.ScheduleDefinition(
            name="weekly_regeneration",
            job=regeneration,
            cron_schedule=os.environ.get("ASTEER_REGENERATE_CRON") or WEEKLY,
            execution_timezone=os.environ.get("TZ") or "UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING if is_on() else dg.DefaultScheduleStatus.STOPPED,
            description="Finds what is missing or stale and lets it be made again, model by model.",
        )
    ]
