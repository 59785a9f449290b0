"""Alerts: every receiver hears of a failed run, none hears what was in it, and a broken receiver silences no other."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import dagster as dg
import pytest

from asteer_core.errors import ConfigError
from asteer_pipeline import alerts

SECRET = "a harmful sentence"


@pytest.fixture
def webhook():
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", heard
    server.shutdown()
    server.server_close()


@dg.op
def fails():
    raise ValueError(f"row 3: {SECRET}")


@dg.job(tags={"asteer/model": "llama-3m"}, executor_def=dg.in_process_executor)
def failing():
    fails()


def test_a_failed_run_is_told_by_names_and_kinds_without_any_message(webhook, monkeypatch):
    url, heard = webhook
    monkeypatch.setenv("ASTEER_ALERT_URL", url)
    monkeypatch.setenv("ASTEER_UI_URL", "https://dagster.example/")
    (sensor,) = alerts.build_alerts()
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    with dg.DagsterInstance.ephemeral() as instance:
        result = failing.execute_in_process(instance=instance, raise_on_error=False)
        event = next(event for event in result.all_events if event.is_run_failure)
        context = dg.build_run_status_sensor_context("alert_on_failure", event, instance, result.dagster_run).for_run_failure()
        sensor(context)
    (alert,) = heard
    assert (alert["job"], alert["model"], alert["url"]) == ("failing", "llama-3m", f"https://dagster.example/runs/{result.run_id}")
    assert alert["failed_steps"] == [{"step": "fails", "error": "ValueError"}]
    assert SECRET not in json.dumps(alert)


def test_a_broken_receiver_silences_no_other(webhook, monkeypatch):
    url, heard = webhook
    monkeypatch.setenv("ASTEER_ALERT_URL", url)

    def broken(alert):
        raise RuntimeError(SECRET)

    found, plugged = [], [SimpleNamespace(name="broken", load=lambda: broken), SimpleNamespace(name="kept", load=lambda: found.append)]
    monkeypatch.setattr(alerts, "entry_points", lambda group: plugged)
    warnings = []
    alerts.deliver({"event": "run_failed"}, warnings.append)
    assert heard == found == [{"event": "run_failed"}]
    assert len(warnings) == 1 and "broken failed (RuntimeError)" in warnings[0] and SECRET not in warnings[0]


def test_without_a_receiver_the_sensor_waits_and_says_what_to_set(monkeypatch):
    monkeypatch.delenv("ASTEER_ALERT_URL", raising=False)
    assert alerts.build_alerts()[0].default_status == dg.DefaultSensorStatus.STOPPED
    with pytest.raises(ConfigError, match="set ASTEER_ALERT_URL"):
        alerts.deliver({}, print)
