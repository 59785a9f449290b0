"""Real data sets in a study: they are read before anything expensive, and a broken one costs its own concept only."""

import json
import shutil

import pytest
import yaml

from asteer_core.study import PartialFailure, Workspace, stages
from asteer_core.study.stages.detectors import trial_of


@pytest.fixture
def with_datasets(small_data, tmp_path):
    """A function that gives a data folder in which `toxicity` names the data set of `entry`."""

    def make(**entry) -> object:
        root = tmp_path / "data"
        shutil.copytree(small_data, root, symlinks=True)
        card = root / "concepts" / "toxicity" / "concept.yaml"
        rows = [{"q": f"prompt {n}", "a": f"reply {n}", "l": n % 2} for n in range(40)]
        (card.parent / "chat.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        described = {
            "name": "chat", "kind": "jsonl", "license": "own", "path": ".", "files": {"all": "chat.jsonl"},
            "columns": {"prompt": "q", "response": "a", "label": "l"}, "splits": {"all": "test"}, **entry,
        }  # fmt: skip
        card.write_text(yaml.safe_dump({**yaml.safe_load(card.read_text()), "real": [described]}))
        return root

    return make


def test_a_data_set_that_cannot_be_read_stops_its_concept_at_once_and_no_other(with_datasets, small_study, tmp_path):
    ws = Workspace(small_study, home=tmp_path / "home", data_root=with_datasets(label_map={"1": 1}))
    done = []
    with pytest.raises(PartialFailure, match="20 labels are outside the label map: '0'") as caught:
        done.extend(stages.contrastive_prompts(ws, small_study.concepts))
    assert set(caught.value.failures) == {("toxicity", None)} and [d.concept for d in done] == ["evasion"]


def test_detectors_are_tested_on_the_rows_of_a_data_set(with_datasets, small_study, tmp_path):
    ws = Workspace(small_study, home=tmp_path / "home", data_root=with_datasets())
    trial = trial_of(ws, "toxicity", "detectors")
    assert dict(trial.rows["source"].value_counts().rows())["chat"] == 40
    assert list((tmp_path / "home" / "cache" / "datasets").glob("chat-*.parquet"))
