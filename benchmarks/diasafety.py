"""DiaSafety: detectors trained on its own train split and tested on its test split, from the TF-IDF floor to a fine-tuned encoder.

The data are not part of the project: `https://github.com/thu-coai/DiaSafety`, files train.json, val.json and test.json. They are looked
for beside the checkout, in `../shared/data/diasafety`; `--data` names another folder.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl

from asteer_core import paths
from asteer_core.detectors import Aids, TextSet, choose_kind, compare, evaluate
from asteer_core.model import EmbeddingCache, load_encoder
from benchmarks._table import machine, show

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "diasafety"
SPLITS = ("train", "val", "test")
TRIALS = (
    ("tfidf", "response"),
    ("tfidf", "context + response"),
    ("embedding", "response"),
    ("embedding", "context + response"),
    ("encoder", "response"),  # its rows carry the context as prompt
)
SHOWN = ("auroc", "auprc", "tpr_at_1_fpr", "ece_15", "brier")


def read(folder: Path, split: str) -> pl.DataFrame:
    """Return the rows of a split: context, response, category, label (1 = unsafe)."""
    rows = pl.read_json(folder / f"{split}.json")
    return rows.with_columns(label=(pl.col("label") == "Unsafe").cast(pl.Int8))


def sets(rows: pl.DataFrame, cache: EmbeddingCache, name: str) -> dict[str, TextSet]:
    """Return the texts of a split twice: the responses alone, and each after its context."""
    contexts, responses = rows["context"].to_list(), rows["response"].to_list()
    both = [f"{context}\n{response}" for context, response in zip(contexts, responses, strict=True)]
    return {
        "response": TextSet(tuple(responses), cache.encode(responses), name, tuple(contexts)),
        "context + response": TextSet(tuple(both), cache.encode(both), name),
    }


def main(small: bool, folder: Path = FOLDER, epochs: int = 2) -> None:
    """Print the table, or say that the data are not there."""
    missing = [split for split in SPLITS if not (folder / f"{split}.json").is_file()]
    if missing:
        print(f"DiaSafety: {folder} lacks {', '.join(f'{split}.json' for split in missing)}; nothing was measured. Clone")
        print("https://github.com/thu-coai/DiaSafety and pass its data folder with --data.")
        return
    frames = {split: read(folder, split) for split in SPLITS}
    if small:
        frames = {split: frame.sample(200, seed=0, shuffle=True) for split, frame in frames.items()}
    cache = EmbeddingCache(paths.home() / "cache" / "embeddings", load_encoder())
    texts = {split: sets(frame, cache, f"DiaSafety {split}") for split, frame in frames.items()}
    labels = {split: frame["label"].to_numpy().astype(float) for split, frame in frames.items()}
    groups = frames["test"]["context"].to_numpy()
    encoder = {"inputs": "prompt_response", "epochs": epochs, "batch_size": 32, "max_tokens": 128}
    scores, rows = {}, []
    for kind, reads in TRIALS:
        start = time.perf_counter()
        aids = Aids((texts["val"][reads], labels["val"]), paths.home() / "benchmarks" / "diasafety", _progress)
        options = encoder if kind == "encoder" else {}
        detector = choose_kind(kind, options).fit(texts["train"][reads], labels["train"], np.random.default_rng(0), aids)
        found = scores[kind, reads] = detector.score(texts["test"][reads])
        rows.append([*_row(kind, reads, labels["test"], found, scores[TRIALS[0]], groups), f"{time.perf_counter() - start:.0f}"])
    counts = ", ".join(f"{split} {frame.height}" for split, frame in frames.items())
    note = f"{counts} rows; prevalence {labels['test'].mean():.2f}; 95 % intervals over contexts; {machine()}"
    show("DiaSafety", ["detector", "reads", "AUROC", "to the floor", *SHOWN[1:], "seconds"], rows, note)


def _row(kind: str, reads: str, labels: np.ndarray, found: np.ndarray, floor: np.ndarray, groups: np.ndarray) -> list[str]:
    quality = evaluate(labels, found, groups, np.random.default_rng(0), 1000, "DiaSafety test")
    gain = compare(labels, found, floor, groups, np.random.default_rng(0), 1000)
    auroc, *others = (f"{quality[name]:.3f} [{quality[name + '_lo']:.3f} {quality[name + '_hi']:.3f}]" for name in SHOWN)
    both = "context, response" if kind == "encoder" else reads
    return [kind, both, auroc, f"{gain.estimate:+.3f} [{gain.lo:+.3f} {gain.hi:+.3f}]", *others]


def _progress(done: int, total: int, note: str) -> None:
    if done % 25 == 0 or done == total:
        print(f"encoder: step {done} of {total}, {note}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 rows per split: does it run, not how well")
    parser.add_argument("--data", type=Path, default=FOLDER, help="folder with train.json, val.json and test.json")
    parser.add_argument("--epochs", type=int, default=2, help="of the encoder, at most")
    chosen = parser.parse_args()
    main(chosen.quick, chosen.data, chosen.epochs)
