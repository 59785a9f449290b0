"""What a search with 15 % of the responses of the full grid loses, on a finished `paper` study: by objective, by recipe, by rule.

Nothing is generated: the search reads the study's rows in the order in which it would have made them, so it needs the study's home
(ASTEER_HOME, default ./.asteer) after `asteer study run paper`. The best of the grid is the best on the test set, and so a little too
good. Seeds differ in the order of the prompts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import spearmanr, t

from asteer_core import paths
from asteer_core.analysis.choice import choice_regret
from asteer_core.analysis.prediction import cross_validated
from asteer_core.choosing import parse_budget
from asteer_core.search import SearchSettings, search
from asteer_core.study import Workspace, load_study
from asteer_core.training_set.composing import compose
from asteer_core.training_set.recipes import RECIPES, Recipe
from benchmarks._table import quick, show

BUDGET = "15%"
SEEDS = 5
OBJECTIVES = ("hm", "hm_sd", "d", "success", "predicted")
COMPOSED = ("hm", "success")
CLOSE = 0.02
SHOWN = ("single", "log_determinant")
"""Recipes whose sets are compared with the best of the grid."""


def cases(ws: Workspace, best: dict[tuple[str, str], float], seeds: int) -> Iterator[dict[str, Any]]:
    """Yield one record per objective, concept, model, seed and recipe: what the set is worth."""
    for objective in OBJECTIVES:
        rivals = tuple(RECIPES) if objective in COMPOSED else SHOWN
        for concept, model in ws.plan.cells:
            for seed in range(seeds):
                settings = SearchSettings(parse_budget(BUDGET), objective=objective, seed=seed)
                found = search(ws, concept, model, settings, replay=True)
                mixed_by = objective if objective != "predicted" else "success"
                made = compose(ws, found, Recipe(mixed_by=mixed_by, seed=seed), rivals)
                common = {"by": objective, "seed": seed, "spent": found.spent, "grid": found.grid, "stopped": len(found.stopped)}
                for step in made.steps.filter(pl.col("detector") == ws.study.detectors.headline).iter_rows(named=True):
                    yield step | common | {"best": best[concept, model]}
            print(f"{objective}, {concept}, {model}: done", flush=True)


def mean_interval(values: np.ndarray) -> str:
    """Return the mean and half the width of its 95 % t interval."""
    mean = values.mean()
    if len(values) < 2:
        return f"{mean:.3f}"
    reach = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{mean:.3f} ±{reach:.3f}"


def show_regret(ws: Workspace, found: pl.DataFrame) -> None:
    """Print, by objective and model, what the set loses on each concept, and on how many it comes within .02."""
    every = found.with_columns(lost=pl.col("best") - pl.col("auroc"))
    rows = []
    for by, recipe in itertools.product(OBJECTIVES, SHOWN):
        for model in ws.study.models:
            part = every.filter((pl.col("by") == by) & (pl.col("model") == model) & (pl.col("recipe") == recipe))
            lost = {concept: part.filter(pl.col("concept") == concept)["lost"].to_numpy() for concept in ws.study.concepts}
            close = sum(values.mean() <= CLOSE for values in lost.values())
            spent = max(part["spent"].to_list()) / max(part["grid"].to_list())
            rows.append(
                [by, recipe, model, *(mean_interval(values) for values in lost.values()), f"{close} of {len(lost)}", f"{spent:.1%}"]
            )
    columns = ["objective", "recipe", "model", *ws.study.concepts, f"within {CLOSE}", "spent"]
    show(f"AUROC below the best of the grid, mean and half of the 95 % interval over seeds, budget {BUDGET}", columns, rows)


def show_recipes(found: pl.DataFrame) -> None:
    """Print what each recipe changes against the single best configuration, mean and interval over cells (seeds averaged first)."""
    rows = []
    for by in COMPOSED:
        part = found.filter(pl.col("by") == by)
        names = ("success", "coherence", "diversity", "hm", "auroc")
        means = part.group_by("recipe", "concept", "model").agg(pl.col(*names, "n").mean()).sort("concept", "model")
        base = means.filter(pl.col("recipe") == "single")
        for recipe in RECIPES:
            own = means.filter(pl.col("recipe") == recipe)
            values = [own[name].mean() for name in ("n", *names)]
            change = own.join(base, on=["concept", "model"], suffix="_single").select(pl.col("auroc") - pl.col("auroc_single"))
            shown = [f"{value:.0f}" if place == 0 else f"{value:.3f}" for place, value in enumerate(values)]
            rows.append([by, recipe, *shown, mean_interval(change.drop_nulls().to_series().to_numpy())])
    columns = ["objective", "recipe", "rows", "S", "C", "D", "HM", "AUROC", "AUROC to single [95 %]"]
    show("Recipes over the rows of the same search, mean over cells and seeds", columns, rows)


def show_rules(board: pl.DataFrame) -> None:
    """Print the regret of rules that know every configuration's full corpus, and how well AUROC is predicted."""
    found = choice_regret(board, np.random.default_rng(0))
    rows = [
        [
            row["rule"],
            _span(row, "regret"),
            _span(row, "less_than_hm"),
            f"{row['within_2_points']} of {row['cells']}",
        ]
        for row in found.iter_rows(named=True)
    ]
    show("Regret of rules on the full grid, mean [95 %] over concept x model", ["rule", "regret", "less than hm", "within .02"], rows)
    for by in ("cell", "concept"):
        predicted = cross_validated(board, by=by)
        expected, actual = predicted["predicted"].to_numpy(), predicted["auroc"].to_numpy()
        rank = float(spearmanr(expected, actual)[0])
        error = float(np.abs(expected - actual).mean())
        print(f"Prediction of AUROC, each {by} left out: Spearman {rank:.3f}, mean absolute error {error:.3f}")


def _span(row: dict[str, Any], name: str) -> str:
    return f"{row[name]:.3f} [{row[f'{name}_lo']:.3f} {row[f'{name}_hi']:.3f}]"


def main(small: bool, home: Path | None = None) -> None:
    """Print the tables; without a finished study, say how to get one."""
    root = (home or paths.home()).resolve()
    file = root / "studies" / "paper" / "leaderboard" / "all.parquet"
    if not file.is_file():
        print(f"optimise: no finished paper study in {root}; run `asteer study run paper` first (ASTEER_HOME names the home)")
        return
    ws = Workspace(load_study("paper"), home=root)
    board = pl.read_parquet(file).filter((pl.col("arm") == "steered") & (pl.col("detector") == ws.study.detectors.headline))
    best = {(concept, model): value for concept, model, value in board.group_by("concept", "model").agg(pl.col("auroc").max()).rows()}
    show_rules(board)
    found = pl.DataFrame(list(cases(ws, best, 1 if small else SEEDS)), infer_schema_length=None)
    kept = root / "benchmarks" / "optimise.parquet"
    kept.parent.mkdir(exist_ok=True)
    found.write_parquet(kept)
    print(f"Every case: {kept}")
    show_regret(ws, found)
    show_recipes(found)


if __name__ == "__main__":
    main(quick(__doc__))
