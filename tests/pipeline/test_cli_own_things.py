"""`asteer concepts`, `models`, `study init`, `doctor`: what they print, write and refuse."""

import json
from pathlib import Path

import pytest

from asteer_pipeline.cli import main
from asteer_pipeline.doctor import examine


def test_a_concept_is_begun_checked_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path)]
    assert main(["concepts", "new", "cruelty", *home]) == 0
    assert "asteer concepts check cruelty" in capsys.readouterr().out
    assert main(["concepts", "check", "cruelty", *home]) == 3
    assert "REPLACE ME" in capsys.readouterr().out
    assert main(["concepts", "check", "cruelty", "--json", *home]) == 3
    assert json.loads(capsys.readouterr().out)["findings"]
    assert main(["concepts", "list", "--json", *home]) == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)} == {"cruelty", "evasion", "fabrication", "sycophancy", "toxicity"}


def test_a_concept_that_ships_is_not_begun_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["concepts", "new", "toxicity", "--home", str(tmp_path)]) == 2
    assert "already" in capsys.readouterr().err
    assert not (tmp_path / "concepts").exists()


def test_the_shipped_concepts_have_the_recommended_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["concepts", "check", "toxicity", "--json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert not [finding for finding in findings if "recommended" in finding["what"]]


def test_a_model_is_registered_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path)]
    assert main(["models", "add", "qwen", "Qwen/Qwen3-0.6B", "--scorer", "llama-3m", *home]) == 0
    assert "No revision is pinned" in capsys.readouterr().out
    assert main(["models", "list", "--json", *home]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [spec["source"] for spec in found["models"] if spec["name"] == "qwen"] == ["Qwen/Qwen3-0.6B"]
    assert main(["models", "add", "other", "./not-there", *home]) == 2
    assert "neither a folder nor a Hugging Face id" in capsys.readouterr().err


def test_an_unknown_model_is_not_checked_and_the_nearest_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "check", "lama-3m", "--home", str(tmp_path)]) == 2
    assert "llama-3m" in capsys.readouterr().err


def test_a_study_is_begun_and_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    assert main(["study", "init", str(file), "--preset", "paper"]) == 0
    capsys.readouterr()
    assert main(["study", "plan", str(file), "--json", "--home", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["study"] == "mine" and found["configurations"] == 136 and found["seconds"] > 0
    assert main(["study", "init", str(file)]) == 2


def test_the_doctor_finds_the_machine_fit_and_names_what_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["doctor", "--home", str(tmp_path)]) == 0
    assert "memory" in capsys.readouterr().out
    (tmp_path / "models.yaml").write_text("- {name: broken, sorce: x}\n")
    (tmp_path / "warehouse.duckdb").write_text("not a database")
    symptoms = {symptom.what: symptom for symptom in examine(tmp_path) if symptom.state != "fine"}
    assert "sorce" in symptoms["models"].found and symptoms["warehouse"].state == "bad"
    assert all(symptom.remedy for symptom in symptoms.values())
    assert main(["doctor", "--home", str(tmp_path), "--json"]) == 3


def test_the_doctor_shows_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_planted")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    main(["doctor", "--home", str(tmp_path)])
    out = capsys.readouterr()
    assert "hf_planted" not in out.out + out.err and "cannot be reached" in out.out
