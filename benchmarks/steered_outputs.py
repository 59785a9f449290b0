"""Real steered outputs of chat models: C, D and their harmonic mean of harmless prompts, unsteered beside over-steered.

The files are those of andyrdt/refusal_direction (pipeline/runs/<model>/completions, Apache-2.0), named `<model>__<file>`; their folder is
`$ASTEER_SHARED_DATA/refusal_direction`, by default `../shared/data/refusal_direction`. Nothing of them stands in this repository.
"""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from asteer_core.errors import DataError
from asteer_core.paths import data_root
from asteer_core.study.scoring import ScoredCorpus, score_file
from benchmarks._table import quick, show

SHOWN = ("coherence", "sample_diversity", "set_diversity", "diversity", "hm_cd")


def folder() -> Path:
    """Return the folder of the files.

    Raises:
        DataError: it is not there.
    """
    shared = Path(os.environ.get("ASTEER_SHARED_DATA") or data_root().parent.parent / "shared" / "data")
    if not (shared / "refusal_direction").is_dir():
        raise DataError(f"{shared / 'refusal_direction'}: no such folder; set ASTEER_SHARED_DATA to the folder that holds it")
    return shared / "refusal_direction"


def scored(path: Path, reference: Path) -> ScoredCorpus:
    """Return the scores of one file, coherent relative to `reference`; m is half of its rows."""
    frame = pl.read_json(path).select("prompt", "response")
    return score_file(frame, reference=pl.read_json(reference).select("prompt", "response"), m=frame.height // 2)


def main(small: bool) -> None:
    """Print the table; a small run takes the first model only."""
    baselines = sorted(folder().glob("*__harmless_baseline_completions.json"))[: 1 if small else None]
    rows = []
    for baseline in baselines:
        model = baseline.name.split("__")[0]
        for arm in ("baseline", "actadd"):
            found = scored(baseline.with_name(f"{model}__harmless_{arm}_completions.json"), baseline)
            spans = []
            for name in SHOWN:
                low, high = found.intervals[name]
                value = found.values[name]
                spans.append("–" if value is None or low is None else f"{value:.2f} [{low:.2f} {high:.2f}]")
            rows.append([model, {"baseline": "unsteered", "actadd": "over-steered"}[arm], *spans])
    show(
        "Harmless prompts: 100 replies a row, 95 % intervals over prompts",
        ["model", "arm", "C", "D sample", "D set", "D", "HM(C, D)"],
        rows,
    )


if __name__ == "__main__":
    main(quick(__doc__))
