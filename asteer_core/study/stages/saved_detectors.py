"""Which detector to take, and that detector as a folder: per concept and kind the steered configuration that is best on validation.

Not here: how a detector is trained and saved (`asteer_core.study.shipping`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from asteer_core.detectors import hindsight
from asteer_core.errors import AsteerError
from asteer_core.study.done import Done, Failures
from asteer_core.study.runs import recorded
from asteer_core.study.shipping import best_configuration, candidates, ship
from asteer_core.study.stages.detectors import stored_scores
from asteer_core.study.trial import trial_of
from asteer_core.study.workspace import Workspace
from asteer_core.types import fingerprint
from asteer_core.warehouse.files import is_present, write_folder
from asteer_core.warehouse.places import is_remote

SAVED_VERSION = 1
TABLE = "saved_detectors"


@recorded
def saved_detectors(ws: Workspace) -> Iterator[Done]:
    """Yield one `Done`: a row per concept and kind, with what choosing on the test set would have added, and a folder each.

    Raises:
        PartialFailure: nothing could be chosen or saved for some concepts; the others are stored.
    """
    key = saved_key(ws)
    reused = is_saved(ws)
    failures = Failures(TABLE)
    if not reused:
        rows = []
        for number, concept in enumerate(ws.plan.concepts):
            ws.report(TABLE, number, len(ws.plan.concepts), concept)
            try:
                rows += [_save(ws, concept, name) for name in ws.study.detectors.names]
            except AsteerError as error:
                failures.add(concept, None, error)
        if rows:
            ws.store.write(TABLE, pl.DataFrame(rows, infer_schema_length=None), key)
        failures.raise_if_any()
    found = ws.store.read(TABLE)
    headline = found.filter(pl.col("detector") == ws.study.detectors.headline)
    metadata: dict[str, Any] = {f"auroc_{row['concept']}": row["auroc"] for row in headline.rows(named=True)}
    metadata |= {f"optimism_{row['concept']}": row["optimism"] for row in headline.rows(named=True)}
    yield Done("", None, found.height, reused, metadata)


def saved_key(ws: Workspace) -> str:
    """Return the hash of everything the choices are made from."""
    present = [*ws.plan.pairs, *ws.plan.cells]
    return fingerprint([TABLE, SAVED_VERSION, present, [ws.store.content_key("detector_metrics", *partition) for partition in present]])


def is_saved(ws: Workspace) -> bool:
    """Return whether the choices are those of what is stored now, and every folder is there."""
    folders = [folder_of(ws, concept, name) / "card.json" for concept in ws.plan.concepts for name in ws.study.detectors.names]
    return ws.store.content_key(TABLE) == saved_key(ws) and all(is_present(path) for path in folders)


def folder_of(ws: Workspace, concept: str, detector: str) -> Path:
    """Return where the chosen detector of a concept and kind is saved."""
    return ws.store.artifact("detectors", concept, detector, "")


def _save(ws: Workspace, concept: str, name: str) -> dict[str, Any]:
    rows = candidates(ws, concept).filter((pl.col("detector") == name) & (pl.col("arm") == "steered")).sort("configuration_id")
    best_configuration(ws, concept, name)  # says what to run where there is none
    partitions = [pair for pair in ws.plan.pairs if pair[0] == concept]
    scores = ws.store.read_many("detector_scores", partitions).filter(pl.col("detector") == name)
    trial = trial_of(ws, concept, TABLE)
    test, ids = trial.mask("test"), rows["configuration_id"].to_list()
    stored = [stored_scores(scores.filter(pl.col("configuration_id") == one))[name][:, test] for one in ids]
    tested = trial.rows.filter(test)
    found = hindsight(
        tested["label"].to_numpy(), stored, tested["group"].to_numpy(), rows["validation_auroc"].to_list(), ws.rng(TABLE, concept),
        where=f"concept {concept}, {name}",
    )  # fmt: skip
    chosen = rows.row(found.chosen, named=True)
    folder = folder_of(ws, concept, name)
    write_folder(folder, lambda local: ship(ws, concept, chosen["configuration_id"], name, local, overwrite=True), last="card.json")
    return {
        "study": ws.study.name, "concept": concept, "detector": name, "n": len(ids),
        "configuration_id": chosen["configuration_id"], "validation_auroc": chosen["validation_auroc"],
        "auroc": found.auroc, "auroc_lo": found.lo, "auroc_hi": found.hi,
        "best_configuration_id": ids[found.best], "best_auroc": found.best_auroc, "optimism": found.optimism,
        "folder": str(folder) if is_remote(folder) or not folder.is_relative_to(ws.home) else str(folder.relative_to(ws.home)),
    }  # fmt: skip
