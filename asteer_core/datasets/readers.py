"""Readers: each kind of file as lazy frames of its records, and the identity of what would be read.

Not here: what the records mean. A new kind is one function here and its name in `spec.Kind`.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from asteer_core.datasets.spec import DatasetSpec
from asteer_core.errors import DataError
from asteer_core.panics import panics_are_errors


@dataclass(frozen=True)
class Source:
    """One file (or split of a hub data set): the own split it belongs to, its name for errors, and how to read it."""

    split: str
    name: str
    read: Callable[[], pl.LazyFrame]
    digest: str


def sources(spec: DatasetSpec) -> Iterator[Source]:
    """Yield what a data set consists of; nothing is read but what the digests need.

    Raises:
        DataError: a file is missing or has another digest than the description says, or no revision pins a hub data set.
    """
    if spec.kind == "hf":
        yield from _hub(spec)
    elif spec.kind == "hf_local":
        yield from _saved(spec)
    else:
        for split in spec.splits:
            for path in _found(spec, split):
                yield Source(split, str(path), lambda path=path: _scan(spec, path), _digest(spec, path))


def _folder(spec: DatasetSpec) -> Path:
    return Path(os.path.expandvars(spec.path or ".")).expanduser()


def _found(spec: DatasetSpec, split: str) -> list[Path]:
    folder = _folder(spec)
    found: list[Path] = []
    for pattern in spec.files[split]:
        matches = sorted(folder.glob(pattern)) if any(mark in pattern for mark in "*?[") else [folder / pattern]
        found += [path for path in matches if path.is_file()]
        if not any(path.is_file() for path in matches):
            hint = f"; get it from {spec.homepage}" if spec.homepage else ""
            raise DataError(
                f"data set {spec.name!r}: {folder / pattern} does not exist{hint}, and set `path:` of the data set to its folder"
            )
    return found


def _digest(spec: DatasetSpec, path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    wanted = spec.sha256.get(path.name)
    if wanted and wanted.lower() != digest:
        raise DataError(
            f"{path}: sha256 is {digest}, but data set {spec.name!r} was described for {wanted}; "
            "get that version, or set `sha256:` of the data set to the new one after checking what changed"
        )
    return digest


def _scan(spec: DatasetSpec, path: Path) -> pl.LazyFrame:
    readers: dict[str, Callable[[Path], pl.LazyFrame]] = {
        "jsonl": lambda file: pl.scan_ndjson(file, infer_schema_length=None),
        "json": lambda file: pl.read_json(file, infer_schema_length=None).lazy(),
        # Labels such as 01 or NA must reach the label map as they are written.
        "csv": lambda file: pl.scan_csv(file, infer_schema=False, separator=spec.separator),
        "parquet": pl.scan_parquet,
    }
    try:
        with panics_are_errors():
            frame = readers[spec.kind](path)
            frame.collect_schema()
    except (PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read as {spec.kind}: {_reason(spec, path, error)}") from None
    return frame


def _reason(spec: DatasetSpec, path: Path, error: Exception) -> str:
    """Return why a file cannot be read: the broken line where that can be found, else what Polars says."""
    if spec.kind == "json" and path.read_bytes()[:1] == b"{":
        return "it begins with an object, not with a list of them; one object per line is kind: jsonl"
    if spec.kind == "jsonl" and path.suffix in (".jsonl", ".json", ".ndjson"):
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                try:
                    parsed = json.loads(line) if line.strip() else {}
                except json.JSONDecodeError as fault:
                    hint = "; the file is one JSON array, use kind: json" if number == 1 and line.lstrip().startswith("[") else ""
                    return f"line {number} is not JSON ({fault}){hint}"
                if not isinstance(parsed, dict):
                    return f"line {number} is not a JSON object; a file that is one JSON array is kind: json"
    return str(error).splitlines()[0]


def _hub(spec: DatasetSpec) -> Iterator[Source]:
    if not spec.revision:
        raise DataError(
            f"data set {spec.name!r}: no revision; set `revision:` to a commit from "
            f"https://huggingface.co/datasets/{spec.hub}/commits/main, so that the data cannot change unseen"
        )

    def load(split: str) -> pl.LazyFrame:
        try:
            import datasets
        except ImportError:
            raise DataError(f"data set {spec.name!r}: kind hf needs the package `datasets`; pip install 'asteer[datasets]'") from None
        try:
            found = datasets.load_dataset(str(spec.hub), spec.config, split=split, revision=spec.revision, data_dir=spec.data_dir)
        except Exception as error:  # the hub, the network and the builder each raise their own
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
            raise DataError(
                f"data set {spec.name!r}: {spec.hub} (split {split!r}) cannot be loaded: {reason}; "
                "log in with `hf auth login` if it is gated, or download it and use kind: parquet"
            ) from None
        return pl.LazyFrame(found.to_polars())

    for split in spec.splits:
        name = f"{spec.hub}@{spec.revision[:12]}, split {split}"
        yield Source(split, name, lambda split=split: load(split), f"{spec.hub}/{spec.config}/{spec.data_dir}/{split}@{spec.revision}")


def _saved(spec: DatasetSpec) -> Iterator[Source]:
    """Yield the Arrow files of a folder written by `save_to_disk`, of one data set or of a dictionary of splits."""
    folder = _folder(spec)
    for split in spec.splits:
        place = folder / split if (folder / split).is_dir() else folder
        state = place / "state.json"
        if not state.is_file():
            raise DataError(f"data set {spec.name!r}: {state} does not exist; `path:` must be a folder written by save_to_disk")
        for entry in json.loads(state.read_text(encoding="utf-8"))["_data_files"]:
            path = place / entry["filename"]
            yield Source(split, str(path), lambda path=path: _arrow(path), _digest(spec, path))


def _arrow(path: Path) -> pl.LazyFrame:
    try:
        with panics_are_errors():
            return pl.read_ipc_stream(path).lazy()
    except (PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read as an Arrow stream: {str(error).splitlines()[0]}") from None
