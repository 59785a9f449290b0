"""A few responses side by side before any full run: the unsteered, the prompted and the steered model on the same prompts.

Nothing is stored but the vector. The steered texts are those that a run with the same study would make.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from asteer_core.errors import ConfigError, unknown_name
from asteer_core.study import Done, Workspace, stages
from asteer_core.study.stages._resolution import resolved
from asteer_core.study.stages.corpora import intervention_of, requests_of
from asteer_core.types import Configuration

STAGE = "preview"
VERSION = 1
ARMS = ("unsteered", "prompted", "steered")


@dataclass(frozen=True, slots=True)
class Preview:
    """Rows with the columns prompt, unsteered, prompted and steered, and the configurations behind the last two."""

    rows: pl.DataFrame
    prompted: Configuration
    steered: Configuration


def preview(ws: Workspace, concept: str, model: str, n: int, key: str | None = None) -> Preview:
    """Return `n` prompts with the response of each arm; untrusted text, to be escaped where it is shown.

    Args:
        key: a configuration key of the study; None = the middle one of the model's.

    Raises:
        ConfigError: the study has no such configuration, or fewer prompts.
    """
    keys = [one for one in ws.plan.configuration_keys if one.startswith(f"{model}:")]
    if concept not in ws.study.concepts or not keys:
        raise ConfigError(f"study {ws.study.name!r} has no configurations of {model!r} for {concept!r}")
    key = key or keys[len(keys) // 2]
    if key not in keys:
        raise unknown_name("configuration", key, keys)
    if not 1 <= n <= ws.study.size.prompts:
        raise ConfigError(f"preview of {n} prompts: expected 1 to {ws.study.size.prompts}, the prompts of study {ws.study.name!r}")
    list(stages.contrastive_prompts(ws, [concept]))
    list(stages.steering_vectors(ws, [(concept, vector) for vector in ws.plan.vectors_of(key)]))
    configuration = resolved(ws, concept, key)
    template = ws.templates(concept)[0].id
    prompted = Configuration(concept, model, "prompted", template=template, seed=ws.study.seed)
    unsteered = Configuration(concept, model, "unsteered", seed=ws.study.seed)
    arms = {"unsteered": unsteered, "prompted": prompted, "steered": configuration}
    return Preview(_generated(ws, arms, n), prompted, configuration)


def previews(ws: Workspace, cells: Iterable[tuple[str, str]], n: int, key: str = "") -> Iterator[Done]:
    """Yield one `Done` per (concept, model) with the responses as samples."""
    for concept, model in cells:
        found = preview(ws, concept, model, n, key if key.startswith(f"{model}:") else None)
        metadata: dict[str, Any] = {"configuration": found.steered.key, "template": found.prompted.template}
        yield Done(concept, model, found.rows.height, metadata=metadata, samples=tuple(found.rows.rows(named=True)))


def _generated(ws: Workspace, arms: dict[str, Configuration], n: int) -> pl.DataFrame:
    from asteer_core.model import generate

    first = next(iter(arms.values()))
    prompts = ws.concept(first.concept).prompts.head(n).select(prompt_id="id", prompt="prompt")
    wanted = set(prompts["prompt_id"])
    requests = {
        arm: [one for one in requests_of(ws, found) if (parts := one.row_id.rsplit("/", 2))[1] in wanted and parts[2] == "0"]
        for arm, found in arms.items()
    }
    interventions = {found.id: intervention_of(ws, found) for found in arms.values()}
    ws.report(STAGE, 0, 1, f"{first.concept}, {first.model}: {n} prompts")
    made = generate(ws.model(first.model), [one for each in requests.values() for one in each], interventions, ws.study.sampling)
    texts = {row.row_id: row.text for row in made}
    ws.report(STAGE, 1, 1)
    return prompts.select("prompt").with_columns(pl.Series(arm, [texts[one.row_id] for one in each]) for arm, each in requests.items())
