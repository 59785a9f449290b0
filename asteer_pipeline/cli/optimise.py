"""`asteer optimise`: from a concept, a model and a budget to a training set with its evidence."""

import json
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asteer_core import paths
from asteer_core.choosing import AUTO, OBJECTIVES, Thresholds, parse_budget
from asteer_core.choosing.objectives import PREDICTED
from asteer_core.concepts import load_concept
from asteer_core.errors import ConfigError
from asteer_core.search import SearchSettings, check, prepare, trial_store, winner
from asteer_core.search.result import SAMPLERS
from asteer_core.search.space import LAYERS, METHODS, NAME, space
from asteer_core.study import Study, Workspace, load_study, stages
from asteer_core.study.judge_choice import JudgeChoice, read_judge
from asteer_core.training_set import NEGATIVES, RECIPES, Recipe, TrainingSet, read_training_set, training_set
from asteer_core.training_set.recipes import DEFAULT
from asteer_core.types import key_of
from asteer_pipeline.cli.judging import JudgeName
from asteer_pipeline.cli.options import Home
from asteer_pipeline.cli.progress import shown_progress
from asteer_pipeline.cli.terminal import UNDEFINED, interval, number, printable

LARGEST = 256
INTERRUPTED = 130
METRICS = ("success", "coherence", "diversity", "hm")
SHOWN = {"success": "S", "coherence": "C", "d": "D", "hm": "HM"}
"""Objective -> the column that it is."""

Concept = Annotated[str, typer.Argument(help="Concept to violate.")]
Model = Annotated[str, typer.Option(help="Model to steer.")]
StudyName = Annotated[str | None, typer.Option("--study", help="Search the grid of this preset or study file, adopting its rows.")]


def optimise(
    concept: Concept,
    model: Model,
    budget: Annotated[
        str,
        typer.Option(help="Responses at most: 20k-responses, 2000, 15% of the full grid; auto = 15%, or the least that a search takes."),
    ] = AUTO,
    objective: Annotated[str, typer.Option(help=f"What is maximised: {', '.join([*OBJECTIVES, PREDICTED])}.")] = "hm",
    study: StudyName = None,
    methods: Annotated[str | None, typer.Option(help=f"Methods of the grid, by comma; default {','.join(METHODS)}.")] = None,
    layers: Annotated[str | None, typer.Option(help=f"Blocks or shares of the depth, by comma; default {','.join(LAYERS)}.")] = None,
    strengths: Annotated[str | None, typer.Option(help="Strengths, by comma; default a range per method.")] = None,
    prompts: Annotated[int | None, typer.Option(help=f"Prompts of the last rung; default up to {LARGEST}.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Responses per prompt; default 1.")] = None,
    rungs: Annotated[str | None, typer.Option(help="Prompts of each rung, such as 16,64,256; default: what the budget carries.")] = None,
    sampler: Annotated[str, typer.Option(help=f"{' or '.join(SAMPLERS)}; tpe looks between the strengths (extra optuna).")] = "grid",
    temperature: Annotated[str | None, typer.Option(help="With tpe: also temperatures from,to, such as 0.6,1.1.")] = None,
    top_p: Annotated[str | None, typer.Option(help="With tpe: also nuclei from,to, such as 0.8,1.")] = None,
    trials: Annotated[int | None, typer.Option(help="With tpe: configurations to propose; default as many as the grid has.")] = None,
    early_stop: Annotated[
        bool | None,
        typer.Option("--early-stop/--no-early-stop", help="Stop by the first tokens; default: if the objective holds coherence."),
    ] = None,
    recipe: Annotated[str, typer.Option(help=f"How rows are chosen: {', '.join(RECIPES)}.")] = DEFAULT,
    size: Annotated[int | None, typer.Option(min=2, help="Rows of the set; default those of the last rung.")] = None,
    min_success: Annotated[float, typer.Option(help="Least success of a response, in the recipes that drop.")] = 0.5,
    min_coherence: Annotated[float, typer.Option(help="Least coherence, likewise.")] = 0.0,
    mixed_by: Annotated[str | None, typer.Option(help="Objective of a mixture; default the search's.")] = None,
    negatives: Annotated[str, typer.Option(help=f"Rows of label 0: {', '.join(NEGATIVES)}.")] = "none",
    seed: Annotated[int, typer.Option(help="Order of the prompts, and what is drawn.")] = 0,
    judge: JudgeName = None,
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print trials and recipes as JSON.")] = False,
) -> None:
    """Find the configuration that makes the best training set within a budget, and make the set."""
    root = paths.home(home)
    settings = SearchSettings(
        parse_budget(budget), objective, _integers("--rungs", rungs), prompts, early_stop, sampler=sampler, seed=seed,
        temperature=_numbers("--temperature", temperature), top_p=_numbers("--top-p", top_p), trials=trials,
    )  # fmt: skip
    mixed = mixed_by or (objective if objective != PREDICTED else "hm")
    chosen = Recipe(recipe, size, Thresholds(min_success, min_coherence), mixed, negatives, seed)
    own = {"--methods": methods, "--layers": layers, "--strengths": strengths, "--samples": samples, "--judge": judge}
    if study and (given := [option for option, value in own.items() if value is not None]):
        raise ConfigError(
            f"{', '.join(given)} beside --study {study}: a study has a grid and a judge of its own; leave one or the other out"
        )
    searched = (
        load_study(study)
        if study
        else _space(concept, model, root, methods, layers, strengths, prompts, samples or 1, seed, read_judge(judge))
    )
    console = Console(stderr=True)
    ws = Workspace(searched, home=root)
    try:
        with shown_progress(console) as progress:
            ws.progress = progress
            made = _made(ws, concept, model, settings, chosen)
    except KeyboardInterrupt:
        console.print("Interrupted; what is finished is kept, and the same command goes on from there.")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        ws.close()
    tried = trial_store(ws).read("trials", concept, model)
    if as_json:
        typer.echo(json.dumps({"trials": tried.to_dicts(), "recipes": made.steps.to_dicts(), "rows": made.rows.height}, allow_nan=False))
        return
    _show(Console(), tried, made, ws, root if home else None)
    _say_if_fewer(Console(), made, size or winner(tried)["n"])


def _made(ws: Workspace, concept: str, model: str, settings: SearchSettings, recipe: Recipe) -> TrainingSet:
    check(ws, concept, model, settings)
    ws.check_before_running()
    for _ in prepare(ws, concept, model):
        pass
    for _ in training_set(ws, [(concept, model)], settings, recipe):
        pass
    for _ in stages.warehouse(ws):
        pass
    return read_training_set(ws, concept, model)


def _space(
    concept: str, model: str, root: Path, methods: str | None, layers: str | None, strengths: str | None, prompts: int | None,
    samples: int, seed: int, judge: JudgeChoice,
) -> Study:  # fmt: skip
    held = load_concept(concept, paths.concept_roots(root, paths.data_root()), root / "cache" / "datasets").prompts.height
    places = [int(one) if one.isdigit() else one for one in _parts(layers)] if layers else LAYERS
    pushes = _numbers("--strengths", strengths)
    named = _parts(methods) if methods else METHODS
    most = prompts or min(LARGEST, held)
    return space(concept, model, most, methods=named, layers=places, strengths=pushes, samples=samples, seed=seed, judge=judge)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _integers(option: str, text: str | None) -> tuple[int, ...] | None:
    return tuple(int(value) for value in _numbers(option, text) or ()) if text else None


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    return tuple(_float(option, part) for part in _parts(text)) if text else None


def _float(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number", param_hint=option) from None


def _show(console: Console, trials: pl.DataFrame, made: TrainingSet, ws: Workspace, home: Path | None) -> None:
    objective = trials["objective"][0]
    console.print(f"\n[bold]{made.concept} on {made.model}[/]: trials by rung, objective {objective}", highlight=False)
    # A score that stands in the table already is not shown twice.
    extra = [] if objective in SHOWN else [objective]
    table = _table(("prompts", "configuration", *extra, *SHOWN.values(), ""), 2)
    for row in trials.iter_rows(named=True):
        key = key_of(row["configuration_id"]).removeprefix(f"{made.model}:")
        figures = [row["score"]] * len(extra) + [row[name] for name in METRICS]
        table.add_row(str(row["prompts"]), key, *map(number, figures), row["stopped"] or ("kept" if row["kept"] else ""))
    console.print(table)
    spent: dict[str, int] = {}
    for row in trials.iter_rows(named=True):
        spent[row["configuration_id"]] = max(spent.get(row["configuration_id"], 0), row["n"] or 0)
    beside = ws.store.read("responses", made.concept, made.model).height
    console.print(
        f"{sum(spent.values())} responses of {len(spent)} configurations; the {beside} of the reference corpora are not counted.",
        markup=False, highlight=False,
    )  # fmt: skip
    console.print(f"{_winner(trials)}\n", markup=False, highlight=False)
    console.print("[bold]What each way to choose is worth[/]: detectors trained on the set, tested on real text", highlight=False)
    console.print(_recipes(made))
    place = f" --home {home}" if home else ""
    named = "" if ws.study.name == NAME else f" --study {ws.study.name}"
    cell = f"{made.concept} --model {made.model}{named}{place}"
    violating = made.rows.filter(pl.col("label") == 1).height
    rest = f" and {made.rows.height - violating} others" if made.rows.height > violating else ""
    console.print(f"{violating} violating rows{rest}. Next:", markup=False, highlight=False)
    for what, folder in (("training-set", "set"), ("detector", "detector")):
        console.print(f"  asteer export {what} {cell} --out {made.concept}-{folder}", markup=False, highlight=False, soft_wrap=True)


def _say_if_fewer(console: Console, made: TrainingSet, wanted: int) -> None:
    found = made.rows.filter(pl.col("label") == 1).height
    if found < wanted:
        why = "no other response of the search is distinct and reaches --min-success and --min-coherence"
        console.print(f"{found} and not {wanted}: {why}; lower them, or raise --budget.", markup=False, highlight=False)


def _winner(trials: pl.DataFrame) -> str:
    """Return the configuration that won, and how it does where it was not chosen for how it does."""
    best = winner(trials)
    chosen = f"Chosen: {best['configuration_id'].split('#')[0]}, S {number(best['success'])} and C {number(best['coherence'])}"
    if not best["fresh_n"]:
        return f"{chosen}; every response had a part in the choice, so both are a little too good."
    return (
        f"{chosen} on all {best['n']} responses; S {number(best['fresh_success'])} and C {number(best['fresh_coherence'])} on the "
        f"{best['fresh_n']} that had no part in the choice."
    )


def _recipes(made: TrainingSet) -> Table:
    table = _table(("recipe", "detector", "rows", "from", "S", "C", "D", "HM", "AUROC [95 %]"), 2)
    for row in made.steps.iter_rows(named=True):
        figures = [number(row[name]) for name in ("success", "coherence", "diversity", "hm")]
        auroc = interval(row["auroc"], row["auroc_lo"], row["auroc_hi"]) if row["auroc"] is not None else printable(str(row["reason"]))
        name = f"{row['recipe']} *" if row["chosen"] else row["recipe"]
        counts = [UNDEFINED if row[one] is None else str(row[one]) for one in ("n", "configurations")]
        table.add_row(name, row["detector"], *counts, *figures, Text(auroc))
    return table


def _table(columns: tuple[str, ...], left: int) -> Table:
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, name in enumerate(columns):
        sides: dict[str, Any] = {"justify": "left" if place < left or place == len(columns) - 1 else "right"}
        table.add_column(name, overflow="fold", **sides)
    return table
