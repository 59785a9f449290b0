"""The whole line without an orchestrator, for tests and notebooks: the same stages, in the same order, over the whole plan."""

from collections.abc import Iterator

from asteer_core.errors import unknown_name
from asteer_core.study import stages
from asteer_core.study.done import Done, PartialFailure
from asteer_core.study.plan import RANDOM, Plan
from asteer_core.study.workspace import Workspace


def run_line(ws: Workspace, until: str = "report") -> Iterator[tuple[str, Done]]:
    """Yield (stage, `Done`) for every partition of the study, in order; stored results are adopted.

    What cannot be made costs what depends on it, and nothing else: a vector that cannot be fitted costs its own configurations.

    Args:
        ws: the study.
        until: the last stage to run.

    Raises:
        ConfigError: no stage is called `until`.
        PartialFailure: some partitions failed; raised after everything else is made.
        AsteerError: a stage failed as a whole; everything finished before is stored, and a second call goes on from there.
    """
    left = _Left(ws.plan)
    line = (
        ("contrastive_prompts", lambda: stages.contrastive_prompts(ws, left.concepts())),
        ("steering_vectors", lambda: stages.steering_vectors(ws, left.vectors())),
        ("judges", lambda: stages.judges(ws, left.concepts())),
        ("baseline_corpora", lambda: stages.baseline_corpora(ws, left.cells())),
        ("steered_corpora", lambda: stages.steered_corpora(ws, left.pairs())),
        ("baseline_measurements", lambda: stages.baseline_measurements(ws, left.cells())),
        ("measurements", lambda: stages.measurements(ws, left.pairs())),
        ("baseline_metrics", lambda: stages.baseline_metrics(ws, left.cells())),
        ("corpus_metrics", lambda: stages.corpus_metrics(ws, left.pairs())),
        ("baseline_detectors", lambda: stages.baseline_detectors(ws, left.cells())),
        ("detectors", lambda: stages.detectors(ws, left.pairs())),
        ("saved_detectors", lambda: stages.saved_detectors(ws)),
        ("leaderboard", lambda: stages.leaderboard(ws)),
        ("metric_auroc_correlation", lambda: stages.metric_auroc_correlation(ws)),
        ("choice_regret", lambda: stages.choice_regret(ws)),
        ("warehouse", lambda: stages.warehouse(ws)),
        ("report", lambda: stages.report(ws)),
    )
    names = [name for name, _ in line]
    if until not in names:
        raise unknown_name("stage", until, names)
    for stage, run in line[: names.index(until) + 1]:
        try:
            for done in run():
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
