"""The search itself: what must be there first, its rungs, and what is stored. What happens at a rung stands in `course`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl

from asteer_core.choosing import Rung, halve, least, schedule
from asteer_core.errors import ConfigError
from asteer_core.search.continuous import searchable
from asteer_core.search.course import SHOWN, Course, scorer
from asteer_core.search.result import Search, SearchSettings, trial_store, winner
from asteer_core.search.trials import STAGE, Trials
from asteer_core.study import Done, Workspace, stages
from asteer_core.study.plan import RANDOM
from asteer_core.study.stages._resolution import void_reason
from asteer_core.study.stages._run import LOOK_SECONDS
from asteer_core.types import fingerprint

VERSION = 2


def prepare(ws: Workspace, concept: str, model: str) -> Iterator[tuple[str, Done]]:
    """Yield (stage, `Done`) of what a search rests on: vectors, the judge, and the reference corpora with their measurements."""
    vectors = [(concept, key) for key in ws.plan.vector_keys if key.startswith(f"{model}:")]
    if not ws.study.controls.random:
        vectors = [pair for pair in vectors if not pair[1].endswith(f":{RANDOM}")]
    cell = [(concept, model)]
    for stage, run in (
        ("contrastive_prompts", lambda: stages.contrastive_prompts(ws, [concept])),
        ("steering_vectors", lambda: stages.steering_vectors(ws, vectors)),
        ("judges", lambda: stages.judges(ws, [concept])),
        ("baseline_corpora", lambda: stages.baseline_corpora(ws, cell)),
        ("baseline_measurements", lambda: stages.baseline_measurements(ws, cell)),
    ):
        for done in run():
            yield stage, done


def configuration_search(ws: Workspace, cells: Iterable[tuple[str, str]], settings: SearchSettings) -> Iterator[Done]:
    """Yield one `Done` per (concept, model): the course of its search in `trials`, rows in the trial store."""
    for concept, model in cells:
        with alone(ws, concept, model):
            found = search(ws, concept, model, settings)
        best = winner(found.table)
        metadata: dict[str, Any] = {
            "chosen": found.best, "objective": settings.objective, "score": best["score"], "responses": found.spent,
            "responses of the full grid": found.grid, "stopped early": len(found.stopped), **{name: best[name] for name in SHOWN},
            **{name: best[name] for name in ("fresh_n", "fresh_success", "fresh_coherence")},
        }  # fmt: skip
        yield Done(concept, model, found.table.height, metadata=metadata)


@contextmanager
def alone(ws: Workspace, concept: str, model: str) -> Iterator[None]:
    """Hold the search of one concept and model: what two of them stored would be taken for the results of one."""
    with trial_store(ws).leases() as leases:
        while not leases.acquire(STAGE, concept, model):
            ws.report(STAGE, 0, 1, f"{concept}, {model}: waiting for another search ({leases.holder(STAGE, concept, model)})")
            time.sleep(LOOK_SECONDS)
        yield


def check(ws: Workspace, concept: str, model: str, settings: SearchSettings) -> None:
    """Raise where a search could not begin, before anything that it rests on is made.

    Raises:
        ConfigError: the study has no configuration of the model, the budget is too small, or the objective or sampler lacks what it needs.
    """
    keys = _asked(ws, concept, model)
    _rungs(ws, settings, len(keys))
    scorer(ws, concept, settings)
    if settings.sampler != "grid":
        searchable(keys)


def search(ws: Workspace, concept: str, model: str, settings: SearchSettings, *, replay: bool = False) -> Search:
    """Return the course of a search over the study's configurations of one model; rows and the table are stored as it goes.

    Args:
        replay: read a finished study's rows in place of generating, and store nothing.

    Raises:
        ConfigError: as `check`, or none of the configurations can be steered; before anything is generated.
        AsteerError: generation fails; finished rows are stored, and a second call goes on from there.
    """
    asked = _asked(ws, concept, model)
    void = {key: why for key in asked if (why := void_reason(ws, concept, key)) is not None}
    keys = [key for key in asked if key not in void]
    if not keys:
        raise ConfigError(f"search of {concept} on {model}: no configuration can be steered; {next(iter(void.values()))}")
    rungs, grid = _rungs(ws, settings, len(keys))
    prompts = ws.concept(concept).prompts["id"].head(ws.study.size.prompts).to_list()
    order = ws.rng("search prompts", concept, str(settings.seed)).permutation(len(prompts))
    store = None if replay else trial_store(ws)
    trials = Trials(ws, concept, model, [prompts[place] for place in order], store, replay)
    course = Course(ws, trials, settings, rungs[0])
    candidates = keys if settings.sampler == "grid" else course.proposed(keys, rungs[0])
    halving = halve(candidates, rungs, course.evaluate)
    table = course.table(halving)
    if store is not None:
        # The scores too: the objective `predicted` learns from whatever studies the home has.
        scores = [(trial.candidate, trial.rung, trial.score) for trial in halving.trials]
        content = fingerprint([STAGE, VERSION, settings.as_list(), course.inputs(), [str(rung) for rung in rungs], scores])
        store.write("trials", table.with_columns(study=pl.lit(store.root.name)), content, concept, model)
    return Search(concept, model, settings, rungs, halving, trials, table, trials.spent, grid, course.stopped)


def _asked(ws: Workspace, concept: str, model: str) -> list[str]:
    keys = [key for key in ws.plan.configuration_keys if key.startswith(f"{model}:")]
    if concept not in ws.study.concepts or not keys:
        raise ConfigError(
            f"study {ws.study.name!r} has no configurations of {model!r} for {concept!r}; it has the concepts "
            f"{', '.join(ws.study.concepts)} and the models {', '.join(ws.study.models)}"
        )
    return keys


def _rungs(ws: Workspace, settings: SearchSettings, configurations: int) -> tuple[tuple[Rung, ...], int]:
    """Return the rungs of a search over so many configurations, and the responses that all of them would take in full."""
    size, samples = ws.study.size.prompts, ws.study.size.samples
    largest = settings.largest or size
    grid = configurations * largest * samples
    if (most := max((largest, *(settings.prompts or ())))) > size:
        raise ConfigError(
            f"search: the last rung would have {most} prompts, but study {ws.study.name!r} has {size}; lower the rungs, or raise --prompts "
            "(without --study) or size.prompts of the study file"
        )
    candidates = settings.trials or configurations
    budget = settings.budget.of(grid, least(candidates, largest, settings.prompts, samples))
    return schedule(candidates, budget, largest, settings.prompts, samples), grid
