"""How far a study is, read from what is stored."""

from pathlib import Path

import polars as pl
import pytest

from asteer_core.study import Workspace, load_study, run_line
from asteer_core.study.line import LINE
from asteer_core.study.status import status


def counts(study, home: Path) -> dict[str, tuple[int, int, int]]:
    return {row.stage: (row.current, row.stale, row.missing) for row in status(study, home)}


def test_every_stage_of_the_line_is_told_in_order(tmp_path: Path) -> None:
    assert [row.stage for row in status(load_study("quick"), tmp_path)] == list(LINE)


def test_nothing_is_there_before_the_first_run(tmp_path: Path) -> None:
    study = load_study("quick")
    found = counts(study, tmp_path)
    assert found["contrastive_prompts"] == (0, 0, 2) and found["steered_corpora"] == (0, 0, 24) and found["warehouse"] == (0, 0, 1)
    assert not list(tmp_path.rglob("*.parquet"))


def test_what_is_stored_is_current_until_its_inputs_change(tmp_path: Path) -> None:
    study = load_study("quick")
    list(run_line(Workspace(study, tmp_path), until="contrastive_prompts"))
    assert counts(study, tmp_path)["contrastive_prompts"] == (2, 0, 0)
    file = next((tmp_path / "studies" / "quick" / "contrastive_pairs").rglob("*.parquet"))
    Workspace(study, tmp_path).store.write("contrastive_pairs", pl.read_parquet(file), "another key", "toxicity")
    assert counts(study, tmp_path)["contrastive_prompts"] == (1, 1, 0)


def test_status_prints_and_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from asteer_pipeline.cli import main

    assert main(["study", "status", "quick", "--home", str(tmp_path)]) == 0
    assert "steered_corpora" in capsys.readouterr().out and not list(tmp_path.rglob("*.parquet"))
