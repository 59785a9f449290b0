"""Progress of a study: a bar per stage on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from asteer_pipeline.cli.terminal import printable
from asteer_pipeline.resources import Progress as Listener

LINE_EVERY_SECONDS = 15.0
NOTE_CHARACTERS = 60
SIDE_WORK = ("embedding texts", "asking the judge")
"""How the notes begin of what a stage counts beside its partitions; it must not move the stage's bar."""


@contextmanager
def shown_progress(console: Console) -> Iterator[Listener]:
    """Yield the listener that a study reports to; what it shows is closed on leaving."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (
        SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("[dim]eta"), TimeRemainingColumn(compact=True), TextColumn("[dim]{task.fields[note]}", markup=True),
    )  # fmt: skip
    with Progress(*columns, console=console, expand=False) as bars:
        tasks: dict[str, TaskID] = {}

        def listen(stage: str, done: int, total: int, note: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage.replace("_", " "), total=None, note="")
            shown = printable(note)[:NOTE_CHARACTERS].replace("[", "(").replace("]", ")")
            if note.startswith(SIDE_WORK):
                bars.update(tasks[stage], note=f"{shown}: {done} of {total}")
            else:
                bars.update(tasks[stage], completed=done, total=total, note=shown)

        yield listen


def _lines(console: Console) -> Listener:
    started = time.monotonic()
    last: dict[str, float] = {}

    def listen(stage: str, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        complete = done >= total and not note.startswith(SIDE_WORK)
        if now - last.get(stage, started - LINE_EVERY_SECONDS) >= LINE_EVERY_SECONDS or complete:
            last[stage] = now
            line = f"{now - started:6.0f} s  {stage}: {done}/{total} {note}"
            console.print(printable(line).rstrip(), markup=False, highlight=False, soft_wrap=True)

    return listen
