"""The rows of trials: each response is generated and measured once, whatever rung asks for it, and adopted wherever it is stored.

A row's text depends on configuration, prompt, sample and seed alone (`types.row_stream`), so rows of an earlier rung, of an
interrupted search, or of a finished study are the very rows that would be generated now. Rows of an unfinished lot are kept too.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import polars as pl

from asteer_core.errors import StoreError
from asteer_core.metrics import METRIC_VERSION
from asteer_core.study import Workspace
from asteer_core.study.stages._checkpoints import Checkpoint
from asteer_core.study.stages._resolution import resolved
from asteer_core.study.stages._run import Partition, upstream
from asteer_core.study.stages.corpora import (
    ROWS_AT_ONCE,
    corpus_is_current,
    intervention_of,
    paced,
    requests_of,
    responses_of,
    rows_of,
)
from asteer_core.study.stages.measurements import measure, measurements_are_current
from asteer_core.study.stages.metrics import reference_of, score_rows, settings_of
from asteer_core.study.stages.vectors import vector_content
from asteer_core.types import Configuration, fingerprint
from asteer_core.warehouse.store import Store

VERSION = 1
STAGE = "configuration_search"
MEASURED = ("judge_probability", "nll", "nll_tokens", "relevance_cosine", "scorer")


class Trials:
    """Rows of the configurations of one concept and model.

    Args:
        ws: the study; its vectors, judge and reference corpora must be there (`search.prepare`).
        prompt_ids: the prompts in the order in which rungs take them.
        store: where rows are kept; None keeps them in memory.
        replay: take the study's stored rows as they are, and refuse to generate: for the study of finished results.
    """

    def __init__(
        self, ws: Workspace, concept: str, model: str, prompt_ids: Sequence[str], store: Store | None = None, replay: bool = False
    ) -> None:
        self.ws, self.concept, self.model = ws, concept, model
        self._order = pl.DataFrame({"prompt_id": prompt_ids, "_place": range(len(prompt_ids))}, schema_overrides={"prompt_id": pl.String})
        self._store, self._replay = store, replay
        self._held: dict[str, pl.DataFrame] = {}
        self.used: dict[str, set[str]] = {}

    @property
    def spent(self) -> int:
        """Responses that rungs have asked for so far, wherever they came from."""
        return sum(len(rows) for rows in self.used.values())

    def rows(self, keys: Sequence[str], prompts: int) -> dict[str, pl.DataFrame]:
        """Return the measured responses of each configuration to the first `prompts` prompts, in their order.

        Raises:
            AsteerError: a vector is missing, or generation fails; what was finished is stored.
        """
        self._complete(keys, prompts)
        found = {}
        for key in keys:
            asked = self._order.head(prompts).join(self._held[key], on="prompt_id", how="inner").sort("_place", "sample")
            found[key] = asked.drop("_place")
            self.used.setdefault(key, set()).update(found[key]["row_id"])
        return found

    def content(self, key: str) -> str:
        """Return the hash of everything that the rows of a configuration are computed from."""
        ws, configuration = self.ws, resolved(self.ws, self.concept, key)
        vectors = [vector_content(ws, self.concept, vector, configuration) for vector in ws.plan.vectors_of(key)]
        inputs = [*vectors, upstream(ws, "judges", self.concept, None)]
        inputs += [str(found) for found in ws.study.combinations if found.name == configuration.method]
        models = [ws.model_fingerprint(self.model), ws.model_fingerprint(ws.scorer_of(self.model))]
        facts = [ws.concept(self.concept).fingerprint, str(configuration.sampled(ws.study.sampling)), ws.study.seed]
        return fingerprint(["trial", VERSION, configuration.id, *inputs, *models, *facts])

    def scores(self, key: str, rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, float | None]]:
        """Return the metrics of each response and of the corpus; set diversity is of subsamples no larger than the corpus.

        The corpus of the largest rung so far stands in `corpus_metrics` and `response_metrics` of the trial store.
        """
        settings = settings_of(self.ws)
        # What a study adds for its analysis would only cost time here.
        fitted = replace(settings, subsample_size=min(settings.subsample_size, rows.height), alternatives=())
        reference = reference_of(self.ws, self.concept, self.model, STAGE)
        scored = score_rows(self.ws, self.concept, rows, reference, STAGE, fitted, with_intervals=False)
        if self._store is not None:
            content = fingerprint([self.content(key), METRIC_VERSION, str(fitted), sorted(rows["row_id"]), str(reference)])
            self._write("response_metrics", scored.responses, content, key)
            self._write("corpus_metrics", scored.corpus, content, key)
        return scored.responses, scored.corpus.row(0, named=True)

    def _complete(self, keys: Sequence[str], prompts: int) -> None:
        missing = {}
        wanted = set(self._order["prompt_id"].head(prompts))
        for key in keys:
            if key not in self._held:
                self._held[key] = self._stored(key)
            asked = rows_of(self.ws, resolved(self.ws, self.concept, key)).filter(pl.col("prompt_id").is_in(wanted))
            asked = asked.join(self._held[key].select("row_id"), on="row_id", how="anti")
            if asked.height:
                missing[key] = asked
        if missing and self._replay:
            raise StoreError(f"{self.concept}, {next(iter(missing))}: the finished study holds no such rows; run the study first")
        total, done = sum(rows.height for rows in missing.values()), 0
        for lot in _lots(missing):
            self._make(lot, done, total)
            done += sum(rows.height for rows in lot.values())

    def _make(self, lot: dict[str, pl.DataFrame], done: int, total: int) -> None:
        """Generate, measure and store the rows of a lot; what an interrupted search left of it is taken up."""
        keys: dict[Partition, str] = {(self.concept, key): self.content(key) for key in lot}
        owners: dict[str, Partition] = {row_id: (self.concept, key) for key, rows in lot.items() for row_id in rows["row_id"]}
        kept = Checkpoint(self._store, STAGE, keys, owners) if self._store is not None else None
        with kept or contextlib.nullcontext():
            frames = self._measured(lot, kept, done, total)
        for key, rows in frames.items():
            self._held[key] = pl.concat([self._held[key], rows], how="diagonal_relaxed") if self._held[key].height else rows
            self._save(key)
            if kept is not None:
                kept.clear((self.concept, key))

    def _measured(self, lot: dict[str, pl.DataFrame], kept: Checkpoint | None, done: int, total: int) -> dict[str, pl.DataFrame]:
        from asteer_core.model import generate

        ws, configurations = self.ws, {key: resolved(self.ws, self.concept, key) for key in lot}
        interventions = {configuration.id: intervention_of(ws, configuration) for configuration in configurations.values()}
        made = {row.row_id: row for row in kept.load()} if kept is not None else {}
        wanted = {row_id for rows in lot.values() for row_id in rows["row_id"]} - made.keys()
        requests = [r for configuration in configurations.values() for r in requests_of(ws, configuration) if r.row_id in wanted]
        if requests:
            sampling = next(iter(configurations.values())).sampled(ws.study.sampling)
            note = f"{len(lot)} configurations of {self.model} in one batch" if len(lot) > 1 else next(iter(lot))
            report = paced(ws, STAGE, done + len(made), total, f"{self.concept}: {note}")
            keep = kept.add if kept is not None else None
            fresh = generate(ws.model(self.model), requests, interventions, sampling, on_progress=report, on_row=keep)
            made |= {row.row_id: row for row in fresh}
        frame = pl.concat([responses_of(ws, configurations[key], rows, made).with_columns(_key=pl.lit(key)) for key, rows in lot.items()])
        measured = measure(ws, self.concept, self.model, frame, STAGE).select("row_id", *MEASURED)
        joined = frame.join(measured, on="row_id", how="left", maintain_order="left")
        return {key: joined.filter(pl.col("_key") == key).drop("_key") for key in lot}

    def _stored(self, key: str) -> pl.DataFrame:
        """Return the rows that the trial store and the study itself hold of a configuration."""
        found = []
        if self._store is not None and all(
            self._store.content_key(table, self.concept, key) == self.content(key) for table in ("responses", "measurements")
        ):
            found.append(_joined(self._store, self.concept, key))
        if self._replay or (corpus_is_current(self.ws, self.concept, key) and measurements_are_current(self.ws, self.concept, key)):
            found.append(_joined(self.ws.store, self.concept, key))
        if not found:
            return pl.DataFrame(schema={"row_id": pl.String, "prompt_id": pl.String, "sample": pl.Int64})
        drawn = resolved(self.ws, self.concept, key).sampled(self.ws.study.sampling)
        rows = pl.concat(found, how="diagonal_relaxed").unique("row_id", keep="first", maintain_order=True)
        # Files of an older Asteer do not say it, but their content key does.
        return rows.with_columns(temperature=pl.lit(drawn.temperature, pl.Float64), top_p=pl.lit(drawn.top_p, pl.Float64))

    def _save(self, key: str) -> None:
        if self._store is not None:
            # Measurements last: a kill between the two leaves responses that are not taken for finished.
            self._write("responses", self._held[key].drop(MEASURED), self.content(key), key)
            kept = [name for name in self._held[key].columns if name in _MEASUREMENT_COLUMNS]
            self._write("measurements", self._held[key].select(kept), self.content(key), key)

    def _write(self, table: str, frame: pl.DataFrame, content_key: str, key: str) -> None:
        if self._store is not None:
            self._store.write(table, frame.with_columns(study=pl.lit(self._store.root.name)), content_key, self.concept, key)


_IDENTITY = ("study", "concept", "configuration_id", "model", "method", "layer", "strength", "template", "seed")
_MEASUREMENT_COLUMNS = (*_IDENTITY, "row_id", "prompt_id", "sample", *MEASURED)


def _joined(store: Store, concept: str, key: str) -> pl.DataFrame:
    measured = store.read("measurements", concept, key).select("row_id", *MEASURED)
    return store.read("responses", concept, key).join(measured, on="row_id", how="inner", maintain_order="left")


def _lots(missing: dict[str, pl.DataFrame]) -> Iterator[dict[str, pl.DataFrame]]:
    """Yield configurations of one sampling and about ROWS_AT_ONCE rows together; a lot is stored before the next."""
    alike: dict[tuple[float | None, float | None], dict[str, pl.DataFrame]] = defaultdict(dict)
    for key, rows in missing.items():
        named = Configuration.parse("any", key)
        lot = alike[named.temperature, named.top_p]
        lot[key] = rows
        if _height(lot.values()) >= ROWS_AT_ONCE:
            yield alike.pop((named.temperature, named.top_p))
    yield from alike.values()


def _height(frames: Iterable[pl.DataFrame]) -> int:
    return sum(frame.height for frame in frames)
