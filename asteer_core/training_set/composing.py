"""A training set with its evidence: the rows of a recipe, and what each recipe is worth in metrics and AUROC on real text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from asteer_core.errors import AsteerError, StoreError
from asteer_core.search import Search, SearchSettings, alone, search, trial_store
from asteer_core.study import Done, Workspace
from asteer_core.study.stages.detectors import quality_of_texts
from asteer_core.training_set.pool import PER_RESPONSE, STAGE, Pool, pool_of
from asteer_core.training_set.recipes import RECIPES, Recipe, chosen
from asteer_core.training_set.remembered import remember_study
from asteer_core.types import Configuration, fingerprint, row_stream
from asteer_core.warehouse.files import is_present

VERSION = 2
CORPUS = ("success", "coherence", "diversity", "hm")
WITH_ENDS = (*CORPUS, *(f"{name}_{end}" for name in CORPUS for end in ("lo", "hi")))
QUALITY = ("validation_auroc", "auroc", "auroc_lo", "auroc_hi")


@dataclass(frozen=True)
class TrainingSet:
    """Rows to train on with the provenance of each, what every recipe was worth, and what the choice left out."""

    concept: str
    model: str
    rows: pl.DataFrame
    steps: pl.DataFrame
    dropped: dict[str, int]


def training_set(ws: Workspace, cells: Iterable[tuple[str, str]], settings: SearchSettings, recipe: Recipe) -> Iterator[Done]:
    """Yield one `Done` per (concept, model): rows in `training_set`, evidence in `training_set_steps`, both in the trial store."""
    for concept, model in cells:
        with alone(ws, concept, model):
            found, reused = _stored(ws, concept, model, settings, recipe)
        made = read_training_set(ws, concept, model)
        step = made.steps.filter((pl.col("recipe") == recipe.name) & (pl.col("detector") == ws.study.detectors.headline)).row(0, named=True)
        facts = {"recipe": recipe.name, "configurations": made.rows["configuration_id"].n_unique(), "responses generated": found.spent}
        shown = made.rows.filter(pl.col("label") == 1).head(3).select("method", "strength", "prompt", "response").rows(named=True)
        metadata = {**facts, **{name: step[name] for name in ("n", *CORPUS, *QUALITY)}}
        yield Done(concept, model, made.rows.height, reused=reused, metadata=metadata, samples=tuple(shown))


def _stored(ws: Workspace, concept: str, model: str, settings: SearchSettings, recipe: Recipe) -> tuple[Search, bool]:
    """Return the search behind a training set that is stored now, and whether it was stored before."""
    store, found = trial_store(ws), search(ws, concept, model, settings)
    content = fingerprint([STAGE, VERSION, str(recipe), store.content_key("trials", concept, model), str(ws.study.detectors),
                           ws.concept(concept).fingerprint])  # fmt: skip
    reused = all(store.content_key(table, concept, model) == content for table in ("training_set", "training_set_steps"))
    if not reused:
        made = compose(ws, found, recipe)
        for table, frame in (("training_set_steps", made.steps), ("training_set", made.rows)):
            store.write(table, frame.with_columns(study=pl.lit(store.root.name)), content, concept, model)
    remember_study(ws, concept, model)
    return found, reused


def read_training_set(ws: Workspace, concept: str, model: str) -> TrainingSet:
    """Return the stored training set of a concept and model.

    Raises:
        StoreError: there is none; says what to run.
    """
    store = trial_store(ws)
    if not is_present(store.path("training_set", concept, model)):
        raise StoreError(
            f"{store.root}: no training set for {concept!r} and {model!r}; make one with: asteer optimise {concept} --model {model} "
            f"--budget 20% --study {ws.study.name}"
        )
    rows, steps = (store.read(table, concept, model) for table in ("training_set", "training_set_steps"))
    first = steps.row(0, named=True)
    # A set of an older Asteer does not say how its rows were drawn.
    rows = rows.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("temperature", "top_p") if name not in rows.columns)
    return TrainingSet(concept, model, rows, steps, {name: first[f"dropped_{name}"] for name in ("duplicate", "test")})


def compose(ws: Workspace, found: Search, recipe: Recipe, rivals: Sequence[str] = tuple(RECIPES)) -> TrainingSet:
    """Return the training set that a recipe makes of a search, measured beside the rivals at the same size.

    Raises:
        DataError: nothing is left to choose from; the message says which threshold to lower.
    """
    pool = pool_of(ws, found)
    size = recipe.size or found.rungs[-1].prompts * ws.study.size.samples
    rows = chosen(pool, recipe, recipe.name, size)
    steps = [row for name in dict.fromkeys((*rivals, recipe.name)) for row in _measured(ws, pool, recipe, name, size)]
    frame = _provenance(ws, pool.rows[rows])
    return TrainingSet(found.concept, found.model, _with_negatives(ws, found, frame, recipe), pl.concat(steps), pool.dropped)


def _measured(ws: Workspace, pool: Pool, recipe: Recipe, name: str, size: int) -> Iterator[pl.DataFrame]:
    """Yield one row per detector kind: what the recipe's set is worth; NULL with a reason where it cannot be made or trained on."""
    concept, model = pool.search.concept, pool.search.model
    base: dict[str, Any] = {
        "concept": concept,
        "model": model,
        "recipe": name,
        "chosen": name == recipe.name,
        "objective": pool.search.settings.objective,
    }
    base |= {f"dropped_{what}": count for what, count in pool.dropped.items()}
    ws.report(STAGE, list(RECIPES).index(name), len(RECIPES), f"{concept}, {model}: {name}")
    try:
        rows = chosen(pool, recipe, name, size)
        found = pool.metrics(rows, intervals=name == recipe.name) if len(rows) > 1 else {}
        metrics = {what: found.get(what) for what in WITH_ENDS}
        base |= {"n": len(rows), "configurations": int(pool.rows["key"][rows].n_unique()), **metrics}
        texts = pool.rows[rows].select("prompt", "text")
        quality = quality_of_texts(ws, named(ws, concept, model, pool.rows["row_id"][rows]), texts, STAGE)
    except AsteerError as error:
        for kind in ws.study.detectors.names:
            yield pl.DataFrame([base | {"detector": kind, "reason": str(error)}], schema=_STEPS)
        return
    for kind, found in quality.items():
        yield pl.DataFrame([base | {"detector": kind, **{what: found[what] for what in QUALITY}}], schema=_STEPS)


def named(ws: Workspace, concept: str, model: str, row_ids: pl.Series) -> Configuration:
    """Return what a set of rows is called where detectors ask for a configuration: they keep checkpoints by it, so each set has its own."""
    return Configuration(concept, model, f"set-{fingerprint(row_ids.to_list())}", seed=ws.study.seed)


_STEPS: dict[str, Any] = {
    "concept": pl.String, "model": pl.String, "recipe": pl.String, "chosen": pl.Boolean, "objective": pl.String, "detector": pl.String,
    "n": pl.Int64, "configurations": pl.Int64, **dict.fromkeys((*WITH_ENDS, *QUALITY), pl.Float64),
    "dropped_duplicate": pl.Int64, "dropped_test": pl.Int64, "reason": pl.String,
}  # fmt: skip

_ORIGIN = ("concept", "configuration_id", "model", "method", "layer", "strength", "seed", "row_id", "prompt_id", "sample")
_MADE = ("temperature", "top_p", "displacement", "n_tokens", "steered_tokens", "finish_reason")
_JUDGED = ("judge_probability", "nll", "relevance_cosine", "scorer")


def _provenance(ws: Workspace, rows: pl.DataFrame) -> pl.DataFrame:
    """Return prompt, response and label in front, then where each row comes from, how it was made and what was measured on it."""
    origins = rows.select("configuration_id", "prompt_id", "sample").rows()
    streams = [row_stream(name, prompt_id, sample, ws.study.seed) for name, prompt_id, sample in origins]
    front = rows.select(
        "prompt", pl.col("text").alias("response"), pl.lit(1, pl.Int64).alias("label"), pl.lit("steered").alias("source"), *_ORIGIN
    )
    stream = pl.Series("stream", streams, dtype=pl.Int64)
    return pl.concat([front.with_columns(stream), rows.select(*_MADE, *_JUDGED, *PER_RESPONSE)], how="horizontal")


def _with_negatives(ws: Workspace, found: Search, frame: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Return the frame with as many negatives as there are positives, or as many as there are."""
    if recipe.negatives == "none":
        return frame
    if recipe.negatives == "concept":
        real = ws.concept(found.concept).real.filter(pl.col("split") == "detector_negatives")
        negatives = real.select("prompt", "response", pl.col("id").alias("row_id"))
    else:
        replies = ws.store.read("responses", found.concept, found.model).filter(pl.col("method") == "unsteered")
        judged = ws.store.read("measurements", found.concept, found.model).select("row_id", "judge_probability")
        calm = replies.join(judged, on="row_id", maintain_order="left").filter(pl.col("judge_probability") < 0.5)
        negatives = calm.select("prompt", pl.col("text").alias("response"), "row_id", "configuration_id", "prompt_id", "sample",
                                "model", "method", "seed", "judge_probability")  # fmt: skip
    order = np.random.default_rng(recipe.seed).permutation(negatives.height)[: frame.height]
    drawn = negatives[order].with_columns(label=pl.lit(0, pl.Int64), source=pl.lit(recipe.negatives), concept=pl.lit(found.concept))
    return pl.concat([frame, drawn], how="diagonal_relaxed")
