"""The whole line without an orchestrator, for tests and notebooks: the same stages, in the same order, over the whole plan."""

from collections.abc import Iterator

from asteer_core.errors import unknown_name
from asteer_core.study import stages
from asteer_core.study.done import Done
from asteer_core.study.workspace import Workspace


def run_line(ws: Workspace, until: str = "report") -> Iterator[tuple[str, Done]]:
    """Yield (stage, `Done`) for every partition of the study, in order; stored results are adopted.

    Args:
        ws: the study.
        until: the last stage to run.

    Raises:
        ConfigError: no stage is called `until`.
        AsteerError: a stage failed; everything finished before is stored, and a second call goes on from there.
    """
    plan = ws.plan
    line = (
        ("contrastive_prompts", lambda: stages.contrastive_prompts(ws, plan.concepts)),
        ("steering_vectors", lambda: stages.steering_vectors(ws, plan.vectors)),
        ("judges", lambda: stages.judges(ws, plan.concepts)),
        ("baseline_corpora", lambda: stages.baseline_corpora(ws, plan.cells)),
        ("steered_corpora", lambda: stages.steered_corpora(ws, plan.pairs)),
        ("baseline_measurements", lambda: stages.baseline_measurements(ws, plan.cells)),
        ("measurements", lambda: stages.measurements(ws, plan.pairs)),
        ("baseline_metrics", lambda: stages.baseline_metrics(ws, plan.cells)),
        ("corpus_metrics", lambda: stages.corpus_metrics(ws, plan.pairs)),
        ("baseline_detectors", lambda: stages.baseline_detectors(ws, plan.cells)),
        ("detectors", lambda: stages.detectors(ws, plan.pairs)),
        ("leaderboard", lambda: stages.leaderboard(ws)),
        ("metric_auroc_correlation", lambda: stages.metric_auroc_correlation(ws)),
        ("warehouse", lambda: stages.warehouse(ws)),
        ("report", lambda: stages.report(ws)),
    )
    names = [name for name, _ in line]
    if until not in names:
        raise unknown_name("stage", until, names)
    for stage, run in line[: names.index(until) + 1]:
        for done in run():
            yield stage, done
