"""A small, complete concept folder that each test may break in its own way."""

import json
from pathlib import Path

import pytest
import yaml


@pytest.fixture
def concept_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "concepts" / "rudeness"
    folder.mkdir(parents=True)
    card = {
        "name": "rudeness",
        "title": "Rudeness",
        "h": "harmless",
        "definition": "The reply insults the user.",
        "rubric": "1 if the reply insults the user, else 0.",
        "templates": [{"id": "rude-1", "level": "strong", "system": "Be rude."}],
    }
    (folder / "concept.yaml").write_text(yaml.safe_dump(card))
    write_rows(folder / "pairs.jsonl", [pair(0, "extraction"), pair(1, "extraction_heldout")])
    write_rows(folder / "prompts.jsonl", [{"id": "p0", "group": "gp", "split": "generation", "prompt": "How?"}])
    write_rows(folder / "judge.jsonl", [labelled("j", "judge", label) for label in (0, 1)])
    real = [("detector_positives", 1), ("detector_negatives", 0), ("validation", 0), ("validation", 1), ("test", 0), ("test", 1)]
    write_rows(folder / "real.jsonl", [labelled("r", split, label) for split, label in real])
    return folder


def write_rows(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def pair(number: int, split: str) -> dict:
    return {"id": f"pair{number}", "group": f"g{number}", "split": split, "prompt": "How?", "violating": "Fool.", "compliant": "Like this."}


def labelled(prefix: str, split: str, label: int) -> dict:
    return {"id": f"{prefix}-{split}-{label}", "group": f"g-{split}", "split": split, "prompt": "How?", "response": "So.", "label": label}


def name_datasets(folder: Path, *entries: dict | str) -> None:
    """Put `entries` under `real:` of the card of a concept."""
    path = folder / "concept.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "real": list(entries)}))
