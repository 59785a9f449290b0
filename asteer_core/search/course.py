"""What a search does at each rung: early stops, scores and figures of the configurations, proposals, and the table of trials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from asteer_core.choosing import Halving, Rung, objective, stopped
from asteer_core.choosing.objectives import PREDICTED, Objective
from asteer_core.metrics import METRIC_VERSION
from asteer_core.metrics._tokens import tokenise
from asteer_core.metrics.rep4 import rep4
from asteer_core.search.predicted import predicted_objective
from asteer_core.search.result import SearchSettings
from asteer_core.search.trials import STAGE, Trials
from asteer_core.study import Workspace
from asteer_core.study.stages._resolution import resolved
from asteer_core.study.stages._run import tag
from asteer_core.study.stages.metrics import settings_of

REFERENCE_ROWS = 128
"""Unsteered and prompted responses from which the usual likelihood of first tokens is known."""

SHOWN = ("success", "coherence", "diversity", "hm")


def scorer(ws: Workspace, concept: str, settings: SearchSettings) -> Objective:
    """Return what turns the metrics of a corpus into the score that a search of a concept maximises.

    Raises:
        ConfigError: it is to be learned from finished studies, and there are none.
    """
    return predicted_objective(ws.home, concept) if settings.objective == PREDICTED else objective(settings.objective)


class Course:
    """What `halve` calls: evaluates a rung, remembers metrics and stops."""

    def __init__(self, ws: Workspace, trials: Trials, settings: SearchSettings, first: Rung) -> None:
        self.ws, self.trials, self.settings = ws, trials, settings
        # A probe that asked for more than the first rung would not be in the budget.
        self._rule = replace(settings.stop, probes=min(settings.stop.probes, first.prompts))
        self.stopped: dict[str, str] = {}
        self._probed: set[str] = set()
        self._facts: dict[tuple[str, int], dict[str, Any]] = {}
        self._objective = scorer(ws, trials.concept, settings)

    def evaluate(self, keys: list[str], rung: Rung) -> dict[str, float | None]:
        """Return the score of each configuration that is not stopped."""
        alive = self._not_stopped(keys) if self.settings.stops_early else keys
        unknown = [key for key in alive if (key, rung.prompts) not in self._facts]
        for number, (key, rows) in enumerate(self.trials.rows(unknown, rung.prompts).items()):
            self.ws.report(STAGE, number, len(unknown), f"{self.trials.concept}, {key}: {rung.prompts} prompts")
            self._facts[key, rung.prompts] = self._fact(key, rows)
        if unknown:
            self.ws.report(STAGE, len(unknown), len(unknown), f"{self.trials.concept}: {rung.prompts} prompts")
        return {key: self._facts[key, rung.prompts]["score"] for key in alive}

    def proposed(self, keys: list[str], rung: Rung) -> list[str]:
        """Return as many configurations as the first rung holds, proposed one after the other from the scores of those before."""
        from asteer_core.search.continuous import propose

        tried: dict[str, None] = {}

        def score(key: str) -> float | None:
            tried[key] = None
            self.ws.report(STAGE, len(tried) - 1, rung.configurations, f"{self.trials.concept}: trial {len(tried)}, {key}")
            return self.evaluate([key], rung).get(key)

        return propose(keys, rung.configurations, score, self.settings.seed, self.settings.spans)

    def inputs(self) -> list[str]:
        """Return what the search was computed from, for its content key."""
        rows = sorted({row for rows in self.trials.used.values() for row in rows})
        reference = self.ws.store.content_key("measurements", self.trials.concept, self.trials.model)
        scored = [METRIC_VERSION, str(settings_of(self.ws)), str(reference)]
        return [*rows, *(self.trials.content(key) for key in sorted(self.trials.used)), *scored]

    def _fact(self, key: str, rows: pl.DataFrame) -> dict[str, Any]:
        """Return the score and figures of a configuration at a rung, and S and C of the prompts that no earlier rung asked."""
        responses, corpus = self.trials.scores(key, rows)
        before = {row for (known, _), fact in self._facts.items() if known == key for row in fact["rows"]}
        fresh = responses.filter(~pl.col("row_id").is_in(before)) if before else responses.clear()
        return {
            "score": self._objective(corpus), "rows": set(rows["row_id"]), "n": rows.height, "n_tokens": int(rows["n_tokens"].sum()),
            # A mean of a column without values is None, whatever polars says of its type.
            "displacement": rows["displacement"].mean(), **{name: corpus[name] for name in SHOWN}, "fresh_n": fresh.height,
            "fresh_success": fresh["success"].mean(), "fresh_coherence": fresh["coherence"].mean(),
        }  # fmt: skip

    def table(self, halving: Halving) -> pl.DataFrame:
        """Return one row per configuration and rung, and one per early stop."""
        rows = [
            {"key": t.candidate, "rung": t.rung, "prompts": t.prompts, "score": t.score, "place": t.place, "kept": t.kept, "stopped": None}
            | {name: self._facts[t.candidate, t.prompts][name] for name in _FACTS}
            for t in halving.trials
        ]
        rows += [
            {"key": key, "rung": 0, "prompts": self._rule.probes, "kept": False, "stopped": why, "n": len(self.trials.used[key])}
            for key, why in self.stopped.items()
        ]
        frame = pl.DataFrame(rows, schema=_TRIALS)
        named = [self._tagged(key, frame.filter(pl.col("key") == key)) for key in dict.fromkeys(frame["key"])]
        extra = (pl.lit(self.settings.objective).alias("objective"), pl.lit(self.settings.seed, pl.Int64).alias("search_seed"))
        return pl.concat(named).with_columns(*extra).drop("key").sort("rung", "place", nulls_last=True, maintain_order=True)

    def _tagged(self, key: str, frame: pl.DataFrame) -> pl.DataFrame:
        configuration = resolved(self.ws, self.trials.concept, key)
        drawn = configuration.sampled(self.ws.study.sampling)
        return tag(self.ws, configuration, frame).with_columns(temperature=pl.lit(drawn.temperature), top_p=pl.lit(drawn.top_p))

    def _not_stopped(self, keys: list[str]) -> list[str]:
        """Return the configurations whose first few responses begin like text; those rows are part of the first rung."""
        rule, unknown = self._rule, [key for key in keys if key not in self._probed]
        reference = self._reference_nll() if unknown else np.array([])
        for key, rows in self.trials.rows(unknown, rule.probes).items():
            heads = [tokenise(text, rule.tokens) for text in rows["text"]]
            why = stopped(self._prefix_nll(rows), np.array([rep4(head) for head in heads]), reference, rule)
            if why:
                self.stopped[key] = why
        self._probed.update(unknown)
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
    "stopped": pl.String, **dict.fromkeys(SHOWN, pl.Float64), "fresh_n": pl.Int64, "fresh_success": pl.Float64,
    "fresh_coherence": pl.Float64, "displacement": pl.Float64, "n_tokens": pl.Int64,
}  # fmt: skip
_FACTS = ("n", "n_tokens", "displacement", *SHOWN, "fresh_n", "fresh_success", "fresh_coherence")
