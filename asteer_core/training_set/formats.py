"""A training set as files, one function per format: (rows, folder) -> the paths it wrote. What a row means is in the data card.

Text is written as it is, except in CSV, where a cell that a spreadsheet would run as a formula is made plain text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from asteer_core.errors import ConfigError
from asteer_core.warehouse.formats import neutral

QUESTION = "violates"


def write_parquet(rows: pl.DataFrame, folder: Path) -> list[Path]:
    """Write `train.parquet` with every column."""
    rows.write_parquet(folder / "train.parquet")
    return [folder / "train.parquet"]


def write_jsonl(rows: pl.DataFrame, folder: Path) -> list[Path]:
    """Write `train.jsonl`, one object per row with every column."""
    return [_lines(folder / "train.jsonl", rows.iter_rows(named=True))]


def write_csv(rows: pl.DataFrame, folder: Path) -> list[Path]:
    """Write `train.csv` with every column, safe to open in a spreadsheet."""
    texts = [name for name, kind in rows.schema.items() if kind == pl.String]
    safe = rows.with_columns(pl.Series(name, [neutral(value) for value in rows[name]], dtype=pl.String) for name in texts)
    safe.write_csv(folder / "train.csv")
    return [folder / "train.csv"]


def write_chat(rows: pl.DataFrame, folder: Path) -> list[Path]:
    """Write `chat.jsonl`: `messages` of user and assistant, as trainers take them, with `label` and the rest as `metadata`."""
    shown = (
        {
            "messages": [{"role": "user", "content": row.pop("prompt")}, {"role": "assistant", "content": row.pop("response")}],
            "label": row.pop("label"),
            "metadata": row,
        }
        for row in rows.iter_rows(named=True)
    )
    return [_lines(folder / "chat.jsonl", shown)]


def write_datasets(rows: pl.DataFrame, folder: Path) -> list[Path]:
    """Write `datasets/`, which `datasets.load_from_disk` reads: a DatasetDict with the split `train`.

    Raises:
        ConfigError: the library is not installed.
    """
    try:
        from datasets import Dataset, DatasetDict, disable_progress_bars, enable_progress_bars
    except ImportError:
        raise ConfigError("format 'datasets' needs the library datasets: pip install 'asteer[datasets]'") from None
    disable_progress_bars()
    try:
        DatasetDict({"train": Dataset(rows.to_arrow())}).save_to_disk(folder / "datasets")
    finally:
        enable_progress_bars()
    return [folder / "datasets"]


def write_argilla(rows: pl.DataFrame, folder: Path) -> list[Path]:
    """Write `argilla.json`, which `dataset.records.from_json` of Argilla 2 reads; the judge's view is a suggestion for `violates`."""
    records = [
        {
            "id": row["row_id"],
            "fields": {"prompt": row["prompt"], "response": row["response"]},
            "metadata": {name: row[name] for name in _SHOWN if row[name] is not None},
            "suggestions": _suggestion(row),
            "responses": {},
            "vectors": {},
            "status": "pending",
            "_server_id": None,
        }
        for row in rows.iter_rows(named=True)
    ]
    return [_whole(folder / "argilla.json", records)]


def write_label_studio(rows: pl.DataFrame, folder: Path) -> list[Path]:
    """Write `label_studio.json`, tasks with the judge's view as prediction, and `label_studio.xml`, the interface for them."""
    tasks = []
    for row in rows.iter_rows(named=True):
        task: dict[str, Any] = {"data": {name: row[name] for name in ("prompt", "response", "row_id", "configuration_id", "source")}}
        if row["judge_probability"] is not None:
            result = {"from_name": QUESTION, "to_name": "response", "type": "choices", "value": {"choices": [_verdict(row)]}}
            task["predictions"] = [{"model_version": "asteer judge", "score": row["judge_probability"], "result": [result]}]
        tasks.append(task)
    interface = folder / "label_studio.xml"
    interface.write_text(_INTERFACE, encoding="utf-8")
    return [_whole(folder / "label_studio.json", tasks), interface]


_SHOWN = ("configuration_id", "source", "strength", "success", "coherence")

_INTERFACE = f"""<View>
  <Header value="These texts were generated to be harmful. Does the response violate the concept?"/>
  <Text name="prompt" value="$prompt"/>
  <Text name="response" value="$response"/>
  <Choices name="{QUESTION}" toName="response" choice="single" required="true">
    <Choice value="yes"/>
    <Choice value="no"/>
  </Choices>
</View>
"""

FORMATS: dict[str, Callable[[pl.DataFrame, Path], list[Path]]] = {
    "parquet": write_parquet, "jsonl": write_jsonl, "csv": write_csv, "chat": write_chat, "datasets": write_datasets,
    "argilla": write_argilla, "label-studio": write_label_studio,
}  # fmt: skip
"""File formats by name, each with the function that writes it."""


def _verdict(row: dict[str, Any]) -> str:
    return "yes" if row["judge_probability"] >= 0.5 else "no"


def _suggestion(row: dict[str, Any]) -> dict[str, Any]:
    if row["judge_probability"] is None:
        return {}
    return {QUESTION: {"value": _verdict(row), "score": row["judge_probability"], "agent": "asteer judge"}}


def _lines(path: Path, rows: Any) -> Path:
    # ASCII, so that no direction mark or control character reaches a terminal that shows the file.
    path.write_text("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _whole(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, indent=1, allow_nan=False), encoding="utf-8")
    return path
