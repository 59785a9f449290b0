"""`asteer score` and `asteer compare`: scores of any corpus of prompts and responses, without a study."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asteer_core.judges import DEFAULT
from asteer_core.metrics import Embedding
from asteer_core.study.corpus_file import Columns
from asteer_core.study.scoring import Comparison, Options, ScoredCorpus, compare_files, judging_costs, score_configurations
from asteer_pipeline.cli.judging import JudgeName, OnlyCosts, asking, show_costs
from asteer_pipeline.cli.options import Home, Json
from asteer_pipeline.cli.progress import shown_progress
from asteer_pipeline.cli.terminal import UNDEFINED, interval, number, printable

LABELS = {
    "success": "success S", "coherence": "coherence C", "fluency": "  fluency", "relevance": "  relevance", "rep4": "  repetition rep4",
    "diversity": "diversity D", "sample_diversity": "  within responses", "set_diversity": "  between responses",
    "vendi": "    Vendi", "self_bleu": "    self-BLEU", "hm": "HM of S, C, D", "hm_cd": "HM of C, D (not HM)",
    "hm_sc": "HM of S, C (not HM)", "mean_length": "words per response",
}  # fmt: skip
"""What is shown of each corpus; `--json` has everything."""

File = Annotated[Path, typer.Argument(help="Prompts and responses: .jsonl, .json (a list), .csv or .parquet.")]
Concept = Annotated[str | None, typer.Option(help="Concept whose success is judged; without one S and HM are undefined.")]
Prompts = Annotated[str, typer.Option("--prompt-column", help="Column of the prompts.")]
Responses = Annotated[str, typer.Option("--response-column", help="Column of the responses.")]
Configurations = Annotated[str, typer.Option("--configuration-column", help="Optional column; each value is a corpus of its own.")]
Scorer = Annotated[
    str | None, typer.Option(help="Model of models.yaml whose likelihoods enter coherence; not the one that wrote the texts.")
]
Size = Annotated[int | None, typer.Option("--m", min=2, help="Texts per subsample of set diversity; never compare across sizes.")]
Space = Annotated[
    Embedding,
    typer.Option(
        "--embedding", help="static: token vectors distilled from the encoder, for very large corpora; D and C of the two differ."
    ),
]
Alternatives = Annotated[
    list[str] | None, typer.Option("--metric", help="A further metric by name, such as mtld or compression_ratio; may be repeated.")
]


def score(
    file: File,
    concept: Concept = None,
    judge: JudgeName = None,
    reference: Annotated[Path | None, typer.Option(help="Unsteered rows, to which C is relative; default the corpus itself.")] = None,
    prompt_column: Prompts = "prompt",
    response_column: Responses = "response",
    configuration_column: Configurations = "configuration",
    scorer: Scorer = None,
    m: Size = None,
    embedding: Space = "encoder",
    metric: Alternatives = None,
    dry_run: OnlyCosts = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Score a corpus: success, coherence, diversity and their harmonic mean, with 95 % intervals over prompts."""
    columns = Columns(prompt_column, response_column, configuration_column)
    options = Options(concept=concept, model_scorer=scorer, home=home, m=m, embedding=embedding, reference=reference, columns=columns)
    options |= {"alternatives": metric or [], "judge": judge}
    if dry_run:
        show_costs(judging_costs(file, **options), as_json)
        return
    with _distilling() as options["on_distil"], asking(judge) as options["on_judge"]:
        found = score_configurations(file, **options)
    if as_json:
        _print_json([_record(corpus) for corpus in found])
        return
    console = Console()
    console.print(_vertical(found[0]) if len(found) == 1 else _horizontal(found))
    _print_notes(console, found)


def compare(
    a: File,
    b: File,
    concept: Concept = None,
    judge: JudgeName = None,
    reference: Annotated[Path | None, typer.Option(help="Unsteered rows, to which C is relative; default A.")] = None,
    prompt_column: Prompts = "prompt",
    response_column: Responses = "response",
    configuration_column: Configurations = "configuration",
    scorer: Scorer = None,
    m: Size = None,
    embedding: Space = "encoder",
    metric: Alternatives = None,
    dry_run: OnlyCosts = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Compare two corpora: B minus A, with 95 % intervals of S, C, D and HM; coherence is relative to A or to --reference.

    Where both answer the same prompts, these are resampled in pairs, which narrows the intervals.
    """
    columns = Columns(prompt_column, response_column, configuration_column)
    options = Options(concept=concept, model_scorer=scorer, home=home, m=m, embedding=embedding, reference=reference, columns=columns)
    options |= {"alternatives": metric or [], "judge": judge}
    if dry_run:
        show_costs(judging_costs(a, b, **options), as_json)
        return
    with _distilling() as options["on_distil"], asking(judge) as options["on_judge"]:
        found = compare_files(a, b, **options)
    if as_json:
        fields = {"differences": found.differences, "intervals": found.intervals, "paired": found.paired}
        _print_json({"a": _record(found.a), "b": _record(found.b), **fields})
        return
    console = Console()
    console.print(_differences(found))
    how = "prompts resampled in pairs" if found.paired else "the prompts differ, so each corpus is resampled by itself"
    told = f"Intervals: 95 % bootstrap, of D and the means with it jackknife; {how}."
    console.print(told, markup=False, highlight=False, soft_wrap=True)
    _print_notes(console, [found.a, found.b])


@contextmanager
def _distilling() -> Iterator[Callable[[int, int], None]]:
    """Yield a listener that shows how far the static embeddings of this home are; it shows nothing where they are there."""
    with shown_progress(Console(stderr=True)) as progress:
        yield lambda done, total: progress("static_embeddings", done, total, "distilled once per home")


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for place, name in enumerate(columns):
        table.add_column(name, overflow="fold", justify="left" if place == 0 else "right")
    return table


def _labels(corpus: ScoredCorpus) -> dict[str, str]:
    return LABELS | {name: name for name in corpus.alternatives if name not in LABELS}


def _vertical(corpus: ScoredCorpus) -> Table:
    table = _table("metric", "value", "95 % interval")
    for name, label in _labels(corpus).items():
        low, high = corpus.intervals.get(name, (None, None))
        table.add_row(label, number(corpus.values[name]), Text("" if low is None else f"{number(low)} to {number(high)}"))
    return table


def _horizontal(corpora: list[ScoredCorpus]) -> Table:
    table = _table("configuration", "n", *(f"{name} [95 %]" for name in ("S", "C", "D", "HM", "HM(C,D)")), *corpora[0].alternatives)
    for corpus in corpora:
        values = corpus.values
        spans = [interval(values[name], *corpus.intervals[name]) for name in ("success", "coherence", "diversity", "hm", "hm_cd")]
        name = printable(corpus.configuration or "(none)")
        table.add_row(*map(Text, (name, str(values["n"]), *spans, *(number(values[one]) for one in corpus.alternatives))))
    return table


def _differences(found: Comparison) -> Table:
    table = _table("metric", "A", "B", "B - A", "95 % interval")
    for name, label in _labels(found.a).items():
        low, high = found.intervals.get(name, (None, None))
        span = "" if low is None else f"{number(low, signed=True)} to {number(high, signed=True)}"
        shown = number(found.differences[name], signed=True)
        table.add_row(label, number(found.a.values[name]), number(found.b.values[name]), shown, Text(span))
    return table


def _print_notes(console: Console, corpora: list[ScoredCorpus]) -> None:
    first = corpora[0]
    notes = [f"Coherence is relative to {first.reference}, under {first.scorer}; set diversity at m={first.values['m']}."]
    if first.embedding == "static":
        notes.append("Diversity and relevance are made of static embeddings: compare them with others of the same kind only.")
    if first.judge not in (None, DEFAULT):
        notes.append(f"Success is what the judge {first.judge} says.")
    notes += [f"{count} responses have no verdict: {reason}." for reason, count in _unjudged(corpora).items()]
    nulls = sum(int(corpus.values["n_null_coherence"] or 0) for corpus in corpora)
    if nulls and any(corpus.values["coherence"] is not None for corpus in corpora):
        notes.append(f"{nulls} responses have no coherence: the prompt fills the context of {first.scorer}, or there is no token.")
    cut = sum(int(corpus.values["n_cut"] or 0) for corpus in corpora)
    if cut:
        notes.append(f"{cut} responses end beyond the context of {first.scorer}; fluency covers the part before.")
    shown = ("success", "coherence", "diversity", *first.alternatives)
    # One line per reason: several metrics and corpora often lack a value for the same one.
    reasons = dict.fromkeys((name, corpus.reasons.get(name, "")) for name in shown for corpus in corpora if corpus.values[name] is None)
    notes += [f"{UNDEFINED} {name}: {reason}." for name, reason in reasons]
    for note in notes:
        console.print(printable(note), markup=False, highlight=False, soft_wrap=True)


def _unjudged(corpora: list[ScoredCorpus]) -> Counter[str]:
    return sum((Counter(corpus.nulls) for corpus in corpora), Counter())


def _record(corpus: ScoredCorpus) -> dict[str, Any]:
    names = ("source", "configuration", "concept", "scorer", "reference", "values", "intervals", "reasons", "judge", "nulls")
    return {name: getattr(corpus, name) for name in names} | {"metric_version": corpus.version, "embedding": corpus.embedding}


def _print_json(value: Any) -> None:
    # ASCII, so that no character of a file can drive the terminal; NaN is not JSON, and undefined values are null already.
    typer.echo(json.dumps(value, indent=2, allow_nan=False))
