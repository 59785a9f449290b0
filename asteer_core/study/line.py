"""The whole line without an orchestrator, for tests and notebooks: the same stages, in the same order, over the whole plan."""

from collections.abc import Iterator

from asteer_core.study import stages
from asteer_core.study.done import Done
from asteer_core.study.workspace import Workspace


def run_line(ws: Workspace) -> Iterator[tuple[str, Done]]:
    """Yield (stage, `Done`) for every partition of the study, in order; stored results are adopted.

    Raises:
        AsteerError: a stage failed; everything finished before is stored, and a second call goes on from there.
    """
    plan = ws.plan
    for stage, found in (
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
    ):
        for done in found():
            yield stage, done
