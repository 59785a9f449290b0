"""Corpora: the replies of the unsteered, prompted and steered model, many configurations in one batch."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from asteer_core.errors import AsteerError, ModelError
from asteer_core.methods import load_vectors
from asteer_core.model.rows import GeneratedRow
from asteer_core.study.done import Done, Failures
from asteer_core.study.plan import RANDOM, baselines, steered
from asteer_core.study.recipes import Ingredient, ingredients
from asteer_core.study.runs import recorded
from asteer_core.study.stages._checkpoints import SCHEMA, Checkpoint
from asteer_core.study.stages._probe import PROBE_TEXTS, divergences
from asteer_core.study.stages._resolution import Unresolved, resolve, resolved
from asteer_core.study.stages._run import Frames, Partition, Stage, tag, upstream
from asteer_core.study.stages.vectors import vector_content, vector_path
from asteer_core.study.workspace import Workspace
from asteer_core.types import BASELINES, Configuration, Edit, GenerationRequest, Intervention, SteeringVector, fingerprint, row_stream
from asteer_core.warehouse.files import stamp

VERSION = 1
ROWS_AT_ONCE = 1024
"""Rows handed to the engine together; the partitions of a lot are stored after it, its rows every few seconds (`_checkpoints`)."""

Work = list[tuple[Partition, list[Configuration]]]


@recorded
def steered_corpora(ws: Workspace, pairs: Iterable[tuple[str, str]]) -> Iterator[Done]:
    """Yield one `Done` per (concept, configuration key); rows in `responses`, one line each in `corpora`."""
    yield from _STEERED.run(ws, pairs)


@recorded
def baseline_corpora(ws: Workspace, cells: Iterable[tuple[str, str]]) -> Iterator[Done]:
    """Yield one `Done` per (concept, model): unsteered, prompted and random-direction replies."""
    yield from _BASELINE.run(ws, cells)


def corpus_is_current(ws: Workspace, concept: str, key: str) -> bool:
    """Return whether the steered corpus of a configuration is stored and up to date."""
    return _STEERED.current(ws, (concept, key))


def cell_baselines(ws: Workspace, concept: str, model: str) -> list[Configuration]:
    """Return the baseline configurations of a cell; a random direction that cannot reach its KL target is not among them."""
    found = []
    for configuration in baselines(ws.study, concept, model, tuple(template.id for template in ws.templates(concept)), ws.depth):
        # `strength_search` holds why one is left out.
        with contextlib.suppress(Unresolved):
            found.append(resolve(ws, configuration))
    return found


def _steered_key(ws: Workspace, concept: str, key: str | None) -> str:
    configuration = steered(ws.study, concept, str(key))
    vectors = [vector_content(ws, concept, vector, configuration) for vector in ws.plan.vectors_of(str(key))]
    recipe = [found.model_dump() for found in ws.study.combinations if found.name == configuration.method]
    return fingerprint([*_common(ws, configuration.model, concept), configuration.id, vectors, recipe])


def _baseline_key(ws: Workspace, concept: str, model: str | None) -> str:
    configurations = cell_baselines(ws, concept, str(model))
    vectors = upstream(ws, "steering_vectors", concept, f"{model}:{RANDOM}") if ws.study.controls.random else ""
    return fingerprint([*_common(ws, str(model), concept), [configuration.id for configuration in configurations], vectors])


def _common(ws: Workspace, model: str, concept: str) -> list[Any]:
    study = ws.study
    return [
        "responses",
        VERSION,
        PROBE_TEXTS,
        ws.model_fingerprint(model),
        ws.concept(concept).fingerprint,
        str(study.sampling),
        str(study.size),
        study.seed,
    ]


def _produce_steered(ws: Workspace, partitions: list[Partition], failures: Failures) -> Iterator[tuple[Partition, Frames]]:
    work = [(partition, [resolved(ws, partition[0], str(partition[1]))]) for partition in partitions]
    yield from _produce(ws, work, failures, _STEERED)


def _produce_baseline(ws: Workspace, partitions: list[Partition], failures: Failures) -> Iterator[tuple[Partition, Frames]]:
    work = [(partition, cell_baselines(ws, partition[0], str(partition[1]))) for partition in partitions]
    yield from _produce(ws, work, failures, _BASELINE)


def _produce(ws: Workspace, work: Work, failures: Failures, stage: Stage) -> Iterator[tuple[Partition, Frames]]:
    rows_each = ws.study.size.prompts * ws.study.size.samples
    total = rows_each * sum(len(configurations) for _, configurations in work)
    done = 0
    for lot in _lots(work, rows_each):
        ready: Work = []
        for partition, configurations in lot:
            try:
                for configuration in configurations:
                    intervention_of(ws, configuration)
                ready.append((partition, configurations))
            except AsteerError as error:
                failures.add(*partition, error)
        if ready:
            for partition, frames in _generate(ws, ready, stage, done, total, failures):
                yield partition, frames
        done += rows_each * sum(len(configurations) for _, configurations in lot)
    ws.report(stage.name, total, total)


def _lots(work: Work, rows_each: int) -> Iterator[Work]:
    """Yield lots of partitions of one model and one sampling, of about ROWS_AT_ONCE rows."""
    alike: dict[tuple[Any, ...], Work] = defaultdict(list)
    for item in work:
        first = item[1][0]
        alike[first.model, first.temperature, first.top_p].append(item)
    for items in alike.values():
        lot: Work = []
        for item in items:
            lot.append(item)
            if rows_each * sum(len(configurations) for _, configurations in lot) >= ROWS_AT_ONCE:
                yield lot
                lot = []
        if lot:
            yield lot


def _generate(ws: Workspace, lot: Work, stage: Stage, done: int, total: int, failures: Failures) -> Iterator[tuple[Partition, Frames]]:
    configurations = [configuration for _, found in lot for configuration in found]
    interventions = {configuration.id: intervention_of(ws, configuration) for configuration in configurations}
    requests = {partition: [request for item in found for request in requests_of(ws, item)] for partition, found in lot}
    keys = {partition: stage.content_key(ws, *partition) for partition, _ in lot}
    checkpoint = Checkpoint(ws.store, stage.name, keys, {one.row_id: partition for partition, some in requests.items() for one in some})
    made = {row.row_id: row for row in checkpoint.load()}
    missing = [request for some in requests.values() for request in some if request.row_id not in made]
    note = f"{configurations[0].model}: {len(configurations)} configurations in one batch"
    report = paced(ws, stage.name, done + len(made), total, note)
    with checkpoint:
        rows = _answer(ws, configurations[0], missing, interventions, checkpoint.add, report)
    made |= {row.row_id: row for row in rows}
    for partition, found in lot:
        try:
            responses = [responses_of(ws, configuration, rows_of(ws, configuration), made) for configuration in found]
            corpora = [
                _corpus(ws, configuration, rows, interventions[configuration.id])
                for configuration, rows in zip(found, responses, strict=True)
            ]
        except AsteerError as error:
            failures.add(*partition, error)
            checkpoint.clear(partition)
            continue
        yield partition, {"responses": pl.concat(responses), "corpora": pl.concat(corpora)}
        # The caller has stored the partition when it asks for the next.
        checkpoint.clear(partition)


def _answer(
    ws: Workspace, like: Configuration, requests: list[GenerationRequest], interventions: dict[str, Intervention],
    keep: Callable[[GeneratedRow], None], report: Callable[[int, int, int], None],
) -> list[GeneratedRow]:  # fmt: skip
    if not requests:
        return []
    from asteer_core.model import generate

    return generate(ws.model(like.model), requests, interventions, like.sampled(ws.study.sampling), on_progress=report, on_row=keep)


def paced(ws: Workspace, stage: str, done: int, total: int, note: str) -> Callable[[int, int, int], None]:
    """Return the engine's listener, which reports the rows of the whole stage and the tokens per second of this lot."""
    started = time.monotonic()

    def report(rows: int, _: int, tokens: int) -> None:
        pace = tokens / max(time.monotonic() - started, 1e-3)
        ws.report(stage, done + rows, total, f"{note}, {tokens:,} tokens, {pace:,.0f} tokens/s")

    return report


def intervention_of(ws: Workspace, configuration: Configuration) -> Intervention:
    """Return what happens to the rows of a configuration; nothing for the baselines without a vector.

    Raises:
        AsteerError: the vector is missing, broken or from another model.
    """
    if configuration.method in BASELINES:
        return Intervention()
    edits: list[Edit] = []
    gate = None
    for item in ingredients(ws.study, configuration, ws.depth):
        vector = _vector(ws, configuration, item)
        edits += item.method.edits(vector, item.strength(configuration.strength))
        gate = item.method.gate(vector)
    return Intervention(tuple(edits), configuration.scope, gate)


def _vector(ws: Workspace, configuration: Configuration, item: Ingredient) -> SteeringVector:
    path = vector_path(ws, configuration.concept, item.vector_key)
    vectors = ws.remember(("vectors", str(path), stamp(path)), lambda: load_vectors(ws.store.local(path, ws.home)))
    vector = vectors.get(item.layer)
    if vector is None:
        raise ModelError(f"{path}: no vector for block {item.layer} (blocks {sorted(vectors)}); materialise steering_vectors again")
    wanted, got = ws.model_fingerprint(configuration.model), vector.metadata.get("model_fingerprint")
    if wanted != got:
        raise ModelError(
            f"{path}: fitted on weights {got}, but model {configuration.model!r} now has {wanted}; materialise steering_vectors again"
        )
    return vector


def rows_of(ws: Workspace, configuration: Configuration) -> pl.DataFrame:
    """Return the rows of a corpus before generation: row_id, prompt_id, prompt, sample. All configurations answer the same prompts."""
    prompts = ws.concept(configuration.concept).prompts.head(ws.study.size.prompts).select(prompt_id="id", prompt="prompt")
    samples = pl.DataFrame({"sample": range(ws.study.size.samples)}, schema={"sample": pl.Int64})
    row_id = pl.concat_str([pl.lit(configuration.id), "prompt_id", pl.col("sample").cast(pl.String)], separator="/")
    return prompts.join(samples, how="cross", maintain_order="left_right").select(row_id.alias("row_id"), "prompt_id", "prompt", "sample")


def requests_of(ws: Workspace, configuration: Configuration) -> list[GenerationRequest]:
    """Return what the engine is asked for one configuration."""
    systems = {template.id: template.system for template in ws.concept(configuration.concept).templates}
    system = systems[configuration.template] if configuration.template else None
    return [
        GenerationRequest(row_id, prompt, configuration.id, row_stream(configuration.id, prompt_id, sample, ws.study.seed), system)
        for row_id, prompt_id, prompt, sample in rows_of(ws, configuration).rows()
    ]


def responses_of(ws: Workspace, configuration: Configuration, asked: pl.DataFrame, made: Mapping[str, Any]) -> pl.DataFrame:
    """Return the table rows of `asked` (from `rows_of`), with what was generated for each row_id."""
    rows = [{name: getattr(made[row_id], name) for name in SCHEMA} for row_id in asked["row_id"]]
    drawn = configuration.sampled(ws.study.sampling)
    generated = pl.DataFrame(rows, schema=SCHEMA).with_columns(
        pl.col("displacement").fill_nan(None), temperature=pl.lit(drawn.temperature, pl.Float64), top_p=pl.lit(drawn.top_p, pl.Float64)
    )
    return tag(ws, configuration, asked.join(generated, on="row_id", how="left", maintain_order="left"))


def _corpus(ws: Workspace, configuration: Configuration, rows: pl.DataFrame, intervention: Intervention) -> pl.DataFrame:
    if intervention.gate is not None and not rows["steered_tokens"].sum():
        raise ModelError(
            f"{configuration.key}: the gate opened for none of {rows.height} prompts, so the corpus is that of the unsteered model; "
            f"look at gate_precision and gate_recall of the vector, and set another condition_layer or other concepts under `against`"
        )
    if intervention.edits and rows["n_tokens"].sum() and not rows["steered_tokens"].sum():
        raise ModelError(
            f"{configuration.key}: none of {rows['n_tokens'].sum()} generated tokens was steered, so the corpus is that of the unsteered "
            f"model; give a strength that moves the model"
        )
    frame = rows.select(
        n=pl.len(),
        n_tokens=pl.col("n_tokens").sum(),
        steered_tokens=pl.col("steered_tokens").sum(),
        displacement=pl.col("displacement").mean(),
        nonfinite=(pl.col("finish_reason") == "nonfinite").sum(),
        kl=pl.lit(_kl(ws, configuration, intervention), pl.Float64),
        reason=pl.lit(None, pl.String),
    )
    return tag(ws, configuration, frame)


def _kl(ws: Workspace, configuration: Configuration, intervention: Intervention) -> float | None:
    """Return the mean per-token KL (nats) of steered from unsteered on the probe texts; None where nothing is edited."""
    if not intervention.edits:
        return None
    return divergences(ws, configuration.concept, configuration.model, [intervention])[0]


def _summarise(frame: pl.DataFrame) -> dict[str, Any]:
    samples = frame.filter(pl.col("text").str.len_chars() > 0).head(3).select("method", "template", "prompt", "text").rows(named=True)
    metadata = {
        "configurations": frame["configuration_id"].n_unique(),
        "tokens": int(frame["n_tokens"].sum()),
        "tokens_steered": int(frame["steered_tokens"].sum()),
        "mean_displacement": frame["displacement"].mean(),
        "rows_ended_nonfinite": int((frame["finish_reason"] == "nonfinite").sum()),
    }
    return {"metadata": metadata, "samples": tuple(samples)}


def _measured(ws: Workspace, concept: str, key: str | None) -> dict[str, Any]:
    """Return what was steered and how far it moved the model, of a partition of one configuration."""
    found = ws.store.read("corpora", concept, key).row(0, named=True)
    return {"metadata": {name: found[name] for name in ("layer", "strength", "kl")}}


_STEERED = Stage(
    "steered_corpora", "responses", _steered_key, _produce_steered, _summarise, beside=_measured, tables=("responses", "corpora")
)
_BASELINE = Stage("baseline_corpora", "responses", _baseline_key, _produce_baseline, _summarise)
