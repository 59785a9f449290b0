"""`asteer export`: what leaves the store as files for other tools. One command per subject, each in its own module, registered here."""

import typer

app = typer.Typer(name="export", help="Write results as files for other tools.", no_args_is_help=True)


@app.callback()
def export() -> None:
    """Write results as files for other tools."""
