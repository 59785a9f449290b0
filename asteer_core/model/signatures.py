"""Whether a registered model may have changed, told cheaply: for watching, many times an hour.

Torch-free. What does not belong here: the identity of a model, which reads every byte (`fingerprints.py`).
"""

from __future__ import annotations

from pathlib import Path

from asteer_core.model.specs import ModelSpec
from asteer_core.types import fingerprint


def signature(spec: ModelSpec, data_root: Path) -> str:
    """Return a 16-digit hash of an entry and, for a folder, of the sizes and dates of its files. Retirement does not change it."""
    folder = next((path for path in (data_root / spec.source, Path(spec.source)) if path.is_dir()), None)
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder else []
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return fingerprint([spec.model_dump(exclude={"retired", "description"}), stats])
