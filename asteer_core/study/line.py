"""The whole line without an orchestrator, for tests and notebooks: the same stages, in the same order, over the whole plan."""

from collections.abc import Iterator
from typing import Literal

from asteer_core.errors import unknown_name
from asteer_core.study import stages
from asteer_core.study.done import Done, PartialFailure
from asteer_core.study.plan import RANDOM, Plan
from asteer_core.study.workspace import Workspace

Over = Literal["concepts", "vectors", "cells", "pairs"]

LINE: dict[str, Over | None] = {
    "contrastive_prompts": "concepts",
    "steering_vectors": "vectors",
    "judges": "concepts",
    "baseline_corpora": "cells",
    "steered_corpora": "pairs",
    "baseline_measurements": "cells",
    "measurements": "pairs",
    "baseline_metrics": "cells",
    "corpus_metrics": "pairs",
    "baseline_detectors": "cells",
    "detectors": "pairs",
    "saved_detectors": None,
    "leaderboard": None,
    "metric_auroc_correlation": None,
    "choice_regret": None,
    "warehouse": None,
    "report": None,
}
"""The stages in order, and the partitions of a plan that each is over; None = the study as a whole."""


def run_line(ws: Workspace, until: str = "report") -> Iterator[tuple[str, Done]]:
    """Yield (stage, `Done`) for every partition of the study, in order; stored results are adopted.

    What cannot be made costs what depends on it, and nothing else: a vector that cannot be fitted costs its own configurations.

    Args:
        ws: the study.
        until: the last stage to run.

    Raises:
        ConfigError: no stage is called `until`, or something that is needed late is missing now.
        PartialFailure: some partitions failed; raised after everything else is made.
        AsteerError: a stage failed as a whole; everything finished before is stored, and a second call goes on from there.
    """
    ws.check_before_running()
    left = _Left(ws.plan)
    names = list(LINE)
    if until not in names:
        raise unknown_name("stage", until, names)
    for stage in names[: names.index(until) + 1]:
        over, make = LINE[stage], getattr(stages, stage)
        try:
            for done in make(ws) if over is None else make(ws, getattr(left, over)()):
                yield stage, done
        except PartialFailure as failure:
            left.lost |= {partition: f"{stage}: {message}" for partition, message in failure.failures.items()}
    if left.lost:
        raise PartialFailure("the study", left.lost)


class _Left:
    """The partitions of a plan that do not depend on one that was lost."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.lost: dict[tuple[str, str | None], str] = {}

    def concepts(self) -> list[str]:
        return [concept for concept in self._plan.concepts if (concept, None) not in self.lost]

    def vectors(self) -> list[tuple[str, str]]:
        return [partition for partition in self._plan.vectors if self._stands(*partition)]

    def cells(self) -> list[tuple[str, str]]:
        return [(concept, model) for concept, model in self._plan.cells if self._stands(concept, model, f"{model}:{RANDOM}")]

    def pairs(self) -> list[tuple[str, str]]:
        # The detector of a configuration is compared with the baselines of its model.
        return [
            (concept, key)
            for concept, key in self._plan.pairs
            if self._stands(concept, key, *self._plan.vectors_of(key)) and (concept, key.split(":")[0]) not in self.lost
        ]

    def _stands(self, concept: str, *keys: str) -> bool:
        return not any((concept, key) in self.lost for key in (None, *keys))
