"""Lets a code location take in new partition keys: they are static, so the definitions must be loaded again.

Called inside a sensor, that is, by the very process that is to be replaced: the proxy in front of it (`dagster dev`, `dagster
code-server start`) starts a new one and lets this one end. Web server and daemon both watch the proxy and refresh by themselves.
What does not belong here: when to reload (`sensors`).
"""

import logging
import threading
import time
from typing import Any

import dagster as dg
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin

AFTER_SECONDS = 1.0
"""The sensor's answer must be on its way before the process that gives it is replaced."""
AGAIN_SECONDS = 60.0
"""A reload under way is not asked for again; this process ends with it, so a second look after a minute means that it failed."""
_asked = -AGAIN_SECONDS
BY_HAND = "press Reload at Deployment > Code locations, or restart Dagster"


def request_reload(context: dg.SensorEvaluationContext) -> str:
    """Ask for a reload of the code location that `context` belongs to, and return what was done, in words."""
    origin = context.code_location_origin
    if not isinstance(origin, GrpcServerCodeLocationOrigin):
        return f"this deployment cannot reload itself: {BY_HAND}"
    global _asked
    if time.monotonic() - _asked < AGAIN_SECONDS:
        return "the definitions are being loaded again"
    _asked = time.monotonic()
    timer = threading.Timer(AFTER_SECONDS, _reload, (origin, context.instance.code_server_reload_timeout))
    timer.daemon = True
    timer.start()
    return "the definitions are being loaded again"


def _reload(origin: GrpcServerCodeLocationOrigin, timeout: Any) -> None:
    try:
        origin.create_client().reload_code(timeout=timeout)
    except Exception as error:  # whatever the transport raises; the next tick asks again
        logging.getLogger("dagster").warning(f"asteer: the code location was not reloaded ({type(error).__name__}); {BY_HAND}")
