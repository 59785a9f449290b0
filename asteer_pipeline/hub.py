"""The sensor that looks for new models of an author or collection on a Hugging Face hub; it exists where ASTEER_HUB names one.

What does not belong here: what follows when a model is found (`sensors`): this one only keeps the registry file of the home up to date.
"""

import json
import os
import time

import dagster as dg

from asteer_core.errors import ModelError
from asteer_core.model.available import HUB_FILE, own_sources
from asteer_core.model.hub import HubSource, update
from asteer_core.paths import data_root
from asteer_core.paths import home as default_home
from asteer_pipeline.automation import sensor_default

EVERY_SECONDS = 900
LONGEST_WAIT_SECONDS = 24 * 3600


def build_hub_sensors() -> list[dg.SensorDefinition]:
    """Return the hub's sensor; none where ASTEER_HUB is not set.

    Raises:
        ConfigError: ASTEER_HUB names neither an author nor a collection.
    """
    wanted = os.environ.get("ASTEER_HUB")
    if not wanted:
        return []
    source = HubSource.parse(wanted)
    every = int(os.environ.get("ASTEER_HUB_SECONDS") or EVERY_SECONDS)

    @dg.sensor(minimum_interval_seconds=every, default_status=sensor_default())
    def hub_models(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """Lists the hub and writes what it finds into the home's registry; after a failure it waits twice as long, a day at most."""
        state = json.loads(context.cursor or "{}")
        wait = state.get("until", 0) - time.time()
        # A clock that was set back must not make it wait for years.
        if 0 < wait <= LONGEST_WAIT_SECONDS:
            return dg.SensorResult(
                skip_reason=f"the hub failed {state['failures']} times; next look in {wait:.0f} s", cursor=context.cursor
            )
        home = default_home()
        try:
            changed = update(home, source, own_sources(home, data_root()))
        except ModelError as error:
            failures = state.get("failures", 0) + 1
            until = time.time() + min(every * 2**failures, LONGEST_WAIT_SECONDS)
            return dg.SensorResult(skip_reason=str(error), cursor=json.dumps({"failures": failures, "until": until}))
        return dg.SensorResult(skip_reason=f"{home / HUB_FILE} {'changed' if changed else 'is current'}", cursor="{}")

    return [hub_models]
