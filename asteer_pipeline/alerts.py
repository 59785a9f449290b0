"""Alerts: a failed run is told to a webhook (ASTEER_ALERT_URL) and to plug-ins (entry points of the group `asteer.alerts`).

What does not belong here: what failed in detail. An alert holds names, tags and kinds of errors, never a message: messages may quote
data, and generated text must not leave the house this way. The run's page has everything.
"""

import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any

import dagster as dg

from asteer_core.errors import AsteerError, ConfigError
from asteer_pipeline.requests import CHAIN_TAG, MODEL_TAG

GROUP = "asteer.alerts"
TIMEOUT_SECONDS = 10.0

Alert = dict[str, Any]
"""What a receiver is given: a JSON object."""


def build_alerts() -> list[dg.SensorDefinition]:
    """Return the sensor that tells of failed runs; it starts with the deployment where somebody listens."""
    listening = bool(os.environ.get("ASTEER_ALERT_URL") or entry_points(group=GROUP))

    @dg.run_failure_sensor(
        minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING if listening else dg.DefaultSensorStatus.STOPPED
    )
    def alert_on_failure(context: dg.RunFailureSensorContext) -> None:
        """Tells the webhook in ASTEER_ALERT_URL and the plug-ins of `asteer.alerts` that a run failed."""
        steps = [(event.step_key or "", _kind(event)) for event in context.get_step_failure_events()]
        deliver(describe(context.dagster_run, steps), context.log.warning)

    return [alert_on_failure]


def describe(run: dg.DagsterRun, failed: list[tuple[str, str]]) -> Alert:
    """Return the alert of a failed run: what it was and which steps failed with which kind of error."""
    base = os.environ.get("ASTEER_UI_URL", "").rstrip("/")
    return {
        "event": "run_failed",
        "run_id": run.run_id,
        "job": run.job_name,
        "assets": sorted(key.to_user_string() for key in run.asset_selection or ()),
        "model": run.tags.get(MODEL_TAG),
        "chain": run.tags.get(CHAIN_TAG),
        "failed_steps": [{"step": step, "error": kind} for step, kind in failed],
        "url": f"{base}/runs/{run.run_id}" if base else None,
    }


def deliver(alert: Alert, warn: Callable[[str], object]) -> None:
    """Give an alert to every receiver; one that fails is told to `warn` and does not keep it from the others.

    Raises:
        ConfigError: there is no receiver.
    """
    found = list(receivers())
    if not found:
        raise ConfigError(f"nobody listens to alerts: set ASTEER_ALERT_URL, or install a plug-in of the group {GROUP!r}")
    for name, receive in found:
        try:
            receive(alert)
        except Exception as error:  # a receiver is foreign code
            warn(f"alert receiver {name} failed ({type(error).__name__}); the run's failure itself is recorded")


def receivers() -> Iterator[tuple[str, Callable[[Alert], object]]]:
    """Yield (name, function) of every receiver."""
    url = os.environ.get("ASTEER_ALERT_URL")
    if url:
        yield "ASTEER_ALERT_URL", lambda alert: _post(url, alert)
    for entry in entry_points(group=GROUP):
        yield entry.name, lambda alert, entry=entry: entry.load()(alert)


def _post(url: str, alert: Alert) -> None:
    if not url.startswith(("http://", "https://")):
        raise AsteerError("ASTEER_ALERT_URL is no http(s) address")
    request = urllib.request.Request(url, json.dumps(alert).encode(), {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
        pass


def _kind(event: dg.DagsterEvent) -> str:
    data = event.event_specific_data
    error = getattr(data, "error", None)
    deepest = error
    while deepest is not None and deepest.cause is not None:
        deepest = deepest.cause
    return str(getattr(deepest, "cls_name", None) or "unknown")
