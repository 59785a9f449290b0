"""`asteer models`: list them, register one of your own, and try one before a study depends on it."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from asteer_core import paths
from asteer_core.errors import ConfigError
from asteer_core.model.available import available_models
from asteer_core.model.specs import ModelSpec, parse_entry
from asteer_pipeline.cli.options import Home, Json
from asteer_pipeline.cli.terminal import printable

app = typer.Typer(help="Models: list them, register one of your own, try one.", no_args_is_help=True)

MEBIBYTE = 1 << 20


@app.command("list")
def show_list(home: Home = None, as_json: Json = False) -> None:
    """List the models that studies may name, and entries that cannot be used."""
    found = available_models(paths.home(home), paths.data_root())
    if as_json:
        print(json.dumps({"models": [spec.model_dump() for spec in found.specs.values()], "problems": dict(found.problems)}, indent=2))
        return
    table = Table("name", "source", "scorer", "what it is", box=None)
    for spec in found.specs.values():
        what = f"(retired) {spec.description}" if spec.retired else spec.description
        table.add_row(*(escape(printable(cell)) for cell in (spec.name, spec.source, spec.scorer or "", what)))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    for problem in found.problems.values():
        console.print(f"[red]Not usable:[/] {escape(printable(problem))}", soft_wrap=True, highlight=False)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What studies call it; lower case, as it will stand in keys.")],
    source: Annotated[str, typer.Argument(help="A folder with config.json and safetensors, or a Hugging Face id such as Qwen/Qwen3-0.6B.")],
    revision: Annotated[str | None, typer.Option(help="Hub commit, branch or tag; a commit makes results reproducible.")] = None,
    scorer: Annotated[
        str | None, typer.Option(help="Model that scores the coherence of its texts; default another registered one.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="auto, bf16, fp16 or fp32.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    engine: Annotated[str, typer.Option(help="auto, padded or continuous.")] = "auto",
    prompt_template: Annotated[
        str | None, typer.Option(help="Plain template with {prompt}; default the tokenizer's chat template.")
    ] = None,
    trust_remote_code: Annotated[bool, typer.Option("--trust-remote-code", help="Run Python code that comes with the model.")] = False,
    home: Home = None,
) -> None:
    """Register a model of your own; nothing is downloaded yet (`asteer models check NAME` does)."""
    from asteer_core.model.registering import add_model

    path = Path(source).expanduser()
    entry = {
        "name": name, "source": str(path.resolve()) if path.is_dir() else source, "revision": revision, "scorer": scorer, "dtype": dtype,
        "device": device, "engine": engine, "prompt_template": prompt_template, "trust_remote_code": trust_remote_code,
    }  # fmt: skip
    if not path.is_dir() and (source.count("/") != 1 or source.startswith((".", "/", "~"))):
        raise ConfigError(f"{source!r} is neither a folder nor a Hugging Face id (owner/name); check the path")
    try:
        spec = parse_entry({key: value for key, value in entry.items() if value is not None}, "the command line")
    except ValidationError as error:
        raise ConfigError(str(error)) from None
    file = add_model(ModelSpec.model_validate(spec), paths.home(home), paths.data_root())
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{name} stands in {file}.", markup=False)
    if not path.is_dir() and revision is None:
        console.print("[yellow]No revision is pinned[/]: give --revision COMMIT, so that the model cannot change under your results.")
    console.print(f"Try it: [bold]asteer models check {name}[/]")


@app.command("check")
def check(name: Annotated[str, typer.Argument(help="A registered model.")], home: Home = None, as_json: Json = False) -> None:
    """Load a model, find its blocks, generate and steer two prompts, and print memory and tokens per second."""
    spec = available_models(paths.home(home), paths.data_root()).get(name)
    from asteer_core.model.smoke import try_model

    found = try_model(spec, paths.data_root())
    if as_json:
        print(json.dumps(asdict(found), indent=2))
        return
    console = Console(soft_wrap=True, highlight=False)
    facts = {
        "parameters": f"{found.parameters:,}", "blocks": f"{found.blocks} (layers 0 to {found.blocks - 1}) of width {found.width}",
        "context": f"{found.context} tokens" if found.context else "unbounded", "loaded as": f"{found.dtype} on {found.device}",
        "chat template": "the tokenizer's" if found.chat_template else "plain", "revision": found.revision or "a local folder",
        "weights": f"{found.memory / MEBIBYTE:,.0f} MiB in memory, fingerprint {found.fingerprint[:16]}",
        "time": f"{found.load_seconds:.1f} s to load, {found.tokens_per_second:,.0f} tokens/s over four rows",
    }  # fmt: skip
    for key, value in facts.items():
        console.print(f"{key:14} {escape(printable(value))}")
    for title, texts in (("unsteered", found.texts), ("pushed hard", found.steered)):
        for text in texts:
            console.print(f"{title:14} {escape(printable(text)[:160])!r}")
    console.print("[green]It loads, its blocks are found, and steering reaches it.[/]")
