"""The shipped recipes on the published files themselves, wherever those are at hand.

`ASTEER_SHARED_DATA` names the folder that holds them, by default `../shared/data` beside the checkout. Without it there is no case.
"""

import os
from pathlib import Path

import pytest

from asteer_core.datasets import load_recipe, read_dataset
from asteer_core.paths import data_root

SHARED = Path(os.environ.get("ASTEER_SHARED_DATA") or data_root().parent.parent / "shared" / "data")
READ = {"diasafety": 9_017 + 1_097 + 1_095, "halueval": 4_507}
"""Recipe -> rows of its files, as the sets themselves say."""


@pytest.mark.parametrize("recipe", [name for name in READ if (SHARED / name).is_dir()])
def test_a_recipe_reads_the_published_files_to_the_last_row(recipe, tmp_path):
    spec = load_recipe(recipe).model_copy(update={"path": str(SHARED / recipe)})
    intake = read_dataset(spec, tmp_path)
    assert intake.read == READ[recipe] == intake.rows.height + sum(intake.dropped.values())
    counts = {(split, label): n for split, label, n in intake.counts.rows()}
    assert len(counts) == 6 and min(counts.values()) >= 80
    assert not set(intake.dropped) - {"empty response", "repeats another row", "group stands in a role nearer to the test"}
