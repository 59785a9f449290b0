"""`asteer warehouse`: bring it up to date, export it, say what is in it and how to open it elsewhere."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from asteer_core import paths
from asteer_core.warehouse import SCHEMA_VERSION, dictionary, export, upgrade, warehouse_path
from asteer_pipeline.cli.options import Home

app = typer.Typer(help="Upgrade, export or open the warehouse.", no_args_is_help=True)


@app.command("upgrade")
def upgrade_(home: Home = None) -> None:
    """Publish the warehouse again from the parquet files, whatever version it had; no parquet file changes."""
    done = upgrade(paths.home(home))
    was = "made" if done.found is None else f"from schema version {done.found or 'unknown'}"
    _say(f"{done.path}: schema version {SCHEMA_VERSION} ({was}), studies: {', '.join(done.studies)}")


@app.command("export")
def export_(
    folder: Annotated[Path, typer.Argument(help="New folder for the files.")],
    home: Home = None,
) -> None:
    """Write every table and view as parquet, and schema.sql that joins them again in any DuckDB."""
    rows = export(folder, warehouse_path(paths.home(home)))
    _say(f"{folder.resolve()}: {len(rows)} tables and views, {sum(rows.values()):,} rows, schema.sql")
    _say(f"Read it:  cd {folder} && duckdb -init schema.sql")


@app.command("dictionary")
def dictionary_() -> None:
    """Print the data dictionary as Markdown: every table, view, column, unit and key."""
    sys.stdout.write(dictionary())


@app.command("attach")
def attach(home: Home = None) -> None:
    """Print how other clients open the warehouse, read-only, also while a study runs."""
    path = warehouse_path(paths.home(home))
    _say(f"""\
DuckDB CLI   duckdb -readonly {path}
in SQL       ATTACH '{str(path).replace("'", "''")}' AS asteer (READ_ONLY); USE asteer;
Python       duckdb.connect({str(path)!r}, read_only=True)
R            DBI::dbConnect(duckdb::duckdb(), dbdir = {str(path)!r}, read_only = TRUE)
DBeaver      new connection "DuckDB", path {path}, driver property duckdb.read_only = true""")


def _say(text: str) -> None:
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
