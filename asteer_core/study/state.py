"""What of a study is finished: which stored results are there and computed from what their inputs are now.

What does not belong here: making anything (`stages`), and who makes it when (the orchestrator).
"""

import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache

from asteer_core.errors import AsteerError
from asteer_core.study import stages
from asteer_core.study.stages._run import Partition, Stage
from asteer_core.study.stages.analysis import correlation_key, leaderboard_key
from asteer_core.study.stages.choice import choice_key
from asteer_core.study.stages.report import is_written
from asteer_core.study.stages.saved_detectors import is_saved
from asteer_core.study.stages.warehouse import is_published
from asteer_core.study.workspace import Workspace

_WHOLE = {
    "saved_detectors": is_saved,
    "leaderboard": lambda ws: ws.store.content_key("leaderboard") == leaderboard_key(ws),
    "metric_auroc_correlation": lambda ws: ws.store.content_key("metric_auroc_correlation") == correlation_key(ws),
    "choice_regret": lambda ws: ws.store.content_key("choice_regret") == choice_key(ws),
    "warehouse": is_published,
    "report": is_written,
}


@cache
def partitioned_stages() -> dict[str, tuple[Stage, str]]:
    """Return every partitioned stage by name, with the version of its computation; a new version makes what is stored stale."""
    found = {}
    for module in pkgutil.iter_modules(stages.__path__):
        if not module.name.startswith("_"):
            content = vars(importlib.import_module(f"{stages.__name__}.{module.name}"))
            found |= {item.name: (item, str(content["VERSION"])) for item in content.values() if isinstance(item, Stage)}
    return found


def version_of(stage: str) -> str:
    """Return the version of a stage's computation, which is part of the content key of what it stores."""
    if stage in partitioned_stages():
        return partitioned_stages()[stage][1]
    return str(stages.WHOLE_VERSIONS[stage])


def is_current(ws: Workspace, stage: str, partition: Partition | None = None) -> bool:
    """Return whether a stored result is there and computed from what its inputs are now; no partition = an unpartitioned stage."""
    if partition is not None:
        return partitioned_stages()[stage][0].current(ws, partition)
    try:
        return bool(_WHOLE[stage](ws))
    except AsteerError:
        return False


def unfinished(ws: Workspace, stage: str, partitions: Iterable[Partition]) -> list[Partition]:
    """Return those of `partitions` that are missing or stale, in their order."""
    return [partition for partition in partitions if not is_current(ws, stage, partition)]
