"""The lines that stand for progress bars where output is no terminal."""

import io

import pytest
from rich.console import Console

from asteer_pipeline.cli import progress
from asteer_pipeline.cli.progress import shown_progress


def test_questions_to_a_judge_and_embeddings_do_not_end_a_stage():
    out = io.StringIO()
    with shown_progress(Console(file=out, force_terminal=False)) as listen:
        listen("measurements", 0, 2, "scoring responses")
        for note in ("embedding texts", "asking the judge of toxicity"):
            listen("measurements", 32, 32, note)
        listen("measurements", 2, 2)
    assert [line.split("s  ")[1] for line in out.getvalue().splitlines()] == ["measurements: 0/2 scoring responses", "measurements: 2/2"]


@pytest.mark.parametrize(("note", "completed"), [("asking the judge of toxicity", 1), ("scoring responses", 32)])
def test_side_work_stands_beside_the_bar_and_does_not_move_it(monkeypatch, note, completed):
    bars = []
    monkeypatch.setattr(progress, "Progress", lambda *columns, **more: bars.append(Bars()) or bars[-1])
    with shown_progress(Console(file=io.StringIO(), force_terminal=True)) as listen:
        listen("measurements", 1, 2, "")
        listen("measurements", 32, 32, note)
    assert bars[0].completed == completed


class Bars:
    """Stands for rich's progress: one bar."""

    completed = 0

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        return None

    def add_task(self, *names, **more):
        return 0

    def update(self, task, **changes):
        self.completed = changes.get("completed", self.completed)
