"""`asteer export`: what leaves the store as files for other tools. One command per subject, each in its own module, registered here."""

import typer

from asteer_pipeline.cli import export_detector, export_training_set

app = typer.Typer(name="export", help="Write results as files for other tools.", no_args_is_help=True)


@app.callback()
def export() -> None:
    """Write results as files for other tools."""


app.command("training-set")(export_training_set.training_set)
app.command("detector")(export_detector.detector)
