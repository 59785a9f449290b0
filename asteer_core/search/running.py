"""The search itself: what must be there first, the rungs, early stops, and the table of trials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl

from asteer_core.choosing import Rung, halve, objective, schedule, stopped
from asteer_core.choosing.objectives import PREDICTED, Objective
from asteer_core.errors import ConfigError
from asteer_core.metrics._tokens import tokenise
from asteer_core.metrics.rep4 import rep4
from asteer_core.search.predicted import predicted_objective
from asteer_core.search.result import Search, SearchSettings, trial_store
from asteer_core.search.trials import STAGE, Trials
from asteer_core.study import Done, Workspace, stages
from asteer_core.study.plan import RANDOM
from asteer_core.study.stages._resolution import resolved, void_reason
from asteer_core.study.stages._run import tag
from asteer_core.types import fingerprint

REFERENCE_ROWS = 128
"""Unsteered and prompted responses from which the usual likelihood of first tokens is known."""

SHOWN = ("success", "coherence", "diversity", "hm")
VERSION = 1


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
        found = search(ws, concept, model, settings)
        best = found.table.filter(pl.col("kept")).row(-1, named=True)
        metadata: dict[str, Any] = {
            "chosen": found.best, "objective": settings.objective, "score": best["score"], "responses": found.spent,
            "responses of the full grid": found.grid, "stopped early": len(found.stopped), **{name: best[name] for name in SHOWN},
        }  # fmt: skip
        yield Done(concept, model, found.table.height, metadata=metadata)


def search(ws: Workspace, concept: str, model: str, settings: SearchSettings, *, replay: bool = False) -> Search:
    """Return the course of a search over the study's configurations of one model; rows and the table are stored as it goes.

    Args:
        replay: read a finished study's rows in place of generating, and store nothing.

    Raises:
        ConfigError: the study has no configuration of the model, or the budget is too small; before anything is generated.
        AsteerError: generation fails; finished rows are stored, and a second call goes on from there.
    """
    keys = [key for key in ws.plan.configuration_keys if key.startswith(f"{model}:")]
    if concept not in ws.study.concepts or not keys:
        raise ConfigError(
            f"study {ws.study.name!r} has no configurations of {model!r} for {concept!r}; it has the concepts "
            f"{', '.join(ws.study.concepts)} and the models {', '.join(ws.study.models)}"
        )
    void = {key: why for key in keys if (why := void_reason(ws, concept, key)) is not None}
    keys = [key for key in keys if key not in void]
    if not keys:
        raise ConfigError(f"search of {concept} on {model}: no configuration can be steered; {next(iter(void.values()))}")
    size, samples = ws.study.size.prompts, ws.study.size.samples
    largest = min(settings.largest or size, size)
    grid = len(keys) * largest * samples
    rungs = schedule(len(keys), settings.budget.of(grid), largest, settings.prompts, samples)
    if rungs[-1].prompts > size:
        raise ConfigError(f"search rungs end at {rungs[-1].prompts} prompts, but the study has {size}; lower them or raise size.prompts")
    prompts = ws.concept(concept).prompts["id"].head(size).to_list()
    order = ws.rng("search prompts", concept, str(settings.seed)).permutation(len(prompts))
    store = None if replay else trial_store(ws)
    trials = Trials(ws, concept, model, [prompts[place] for place in order], store, replay)
    course = _Course(ws, trials, settings)
    candidates = keys if settings.sampler == "grid" else course.proposed(keys, rungs[0])
    halving = halve(candidates, rungs, course.evaluate)
    table = course.table(halving)
    if store is not None:
        content = fingerprint([STAGE, VERSION, settings.as_list(), course.inputs(), [str(rung) for rung in rungs]])
        store.write("trials", table.with_columns(study=pl.lit(store.root.name)), content, concept, model)
    return Search(concept, model, settings, rungs, halving, trials, table, trials.spent, grid, course.stopped)


class _Course:
    """What `halve` calls: evaluates a rung, remembers metrics and stops."""

    def __init__(self, ws: Workspace, trials: Trials, settings: SearchSettings) -> None:
        self.ws, self.trials, self.settings = ws, trials, settings
        self.stopped: dict[str, str] = {}
        self._facts: list[dict[str, Any]] = []
        self._objective: Objective = (
            predicted_objective(ws.home, trials.concept) if settings.objective == PREDICTED else objective(settings.objective)
        )

    def evaluate(self, keys: list[str], rung: Rung) -> dict[str, float | None]:
        """Return the score of each configuration that is not stopped."""
        alive = self._not_stopped(keys) if self.settings.stops_early and not self._facts else keys
        scores = {}
        for number, (key, rows) in enumerate(self.trials.rows(alive, rung.prompts).items()):
            self.ws.report(STAGE, number, len(alive), f"{self.trials.concept}, {key}: {rung.prompts} prompts")
            _, corpus = self.trials.scores(key, rows)
            scores[key] = self._objective(corpus)
            # A mean of a column without values is None, whatever polars says of its type.
            sums: dict[str, Any] = {"n": rows.height, "n_tokens": int(rows["n_tokens"].sum()), "displacement": rows["displacement"].mean()}
            self._facts.append({"key": key, "prompts": rung.prompts, **sums, **{name: corpus[name] for name in SHOWN}})
        self.ws.report(STAGE, len(alive), len(alive), f"{self.trials.concept}: {rung.prompts} prompts")
        return scores

    def proposed(self, keys: list[str], rung: Rung) -> list[str]:
        """Return as many configurations as the first rung holds, proposed one after the other from the scores of those before."""
        from asteer_core.search.continuous import propose

        found = propose(keys, rung.configurations, lambda key: self.evaluate([key], rung).get(key), self.settings.seed)
        self._facts.clear()
        return found

    def inputs(self) -> list[str]:
        """Return what the search was computed from, for its content key."""
        return sorted({row for rows in self.trials.used.values() for row in rows})

    def table(self, halving: Any) -> pl.DataFrame:
        """Return one row per configuration and rung, and one per early stop."""
        facts = {(fact["key"], fact["prompts"]): fact for fact in self._facts}
        rows = [
            {"key": t.candidate, "rung": t.rung, "prompts": t.prompts, "score": t.score, "place": t.place, "kept": t.kept, "stopped": None}
            | {name: facts[t.candidate, t.prompts][name] for name in ("n", "n_tokens", "displacement", *SHOWN)}
            for t in halving.trials
        ]
        rows += [
            {"key": key, "rung": 0, "prompts": self.settings.stop.probes, "kept": False, "stopped": why, "n": self.settings.stop.probes}
            for key, why in self.stopped.items()
        ]
        frame = pl.DataFrame(rows, schema=_TRIALS)
        named = [tag(self.ws, resolved(self.ws, self.trials.concept, key), frame.filter(pl.col("key") == key)) for key in
                 dict.fromkeys(frame["key"])]  # fmt: skip
        extra = (pl.lit(self.settings.objective).alias("objective"), pl.lit(self.settings.seed, pl.Int64).alias("search_seed"))
        return pl.concat(named).with_columns(*extra).drop("key").sort("rung", "place", nulls_last=True, maintain_order=True)

    def _not_stopped(self, keys: list[str]) -> list[str]:
        """Return the configurations whose first few responses begin like text; those rows are part of the first rung."""
        rule, reference = self.settings.stop, self._reference_nll()
        probes = self.trials.rows(keys, rule.probes)
        for key, rows in probes.items():
            heads = [tokenise(text, rule.tokens) for text in rows["text"]]
            why = stopped(self._prefix_nll(rows), np.array([rep4(head) for head in heads]), reference, rule)
            if why:
                self.stopped[key] = why
        return [key for key in keys if key not in self.stopped]

    def _reference_nll(self) -> np.ndarray:
        concept, model = self.trials.concept, self.trials.model

        def read() -> np.ndarray:
            rows = self.ws.store.read("responses", concept, model).filter(pl.col("method").is_in(["unsteered", "prompted"]))
            return self._prefix_nll(rows.sort("prompt_id", "configuration_id").head(REFERENCE_ROWS))

        key = self.ws.store.content_key("responses", concept, model)
        return self.ws.remember(("prefix", concept, model, self.settings.stop.tokens, key), read)

    def _prefix_nll(self, rows: pl.DataFrame) -> np.ndarray:
        from asteer_core.model import mean_token_nll
        from asteer_core.model.prefixes import first_tokens

        scorer = self.ws.model(self.ws.scorer_of(self.trials.model))
        heads = first_tokens(scorer, rows["text"].to_list(), self.settings.stop.tokens)
        return mean_token_nll(scorer, rows["prompt"].to_list(), heads)[0]


_TRIALS: dict[str, Any] = {
    "key": pl.String, "rung": pl.Int64, "prompts": pl.Int64, "n": pl.Int64, "score": pl.Float64, "place": pl.Int64, "kept": pl.Boolean,
    "stopped": pl.String, **dict.fromkeys(SHOWN, pl.Float64), "displacement": pl.Float64, "n_tokens": pl.Int64,
}  # fmt: skip
