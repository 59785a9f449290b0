"""What all arms of a concept share when detectors are trained: real texts, tested rows, negatives by seed, and how texts are measured.

Not here: training and evaluation of arms (`stages/detectors.py`), and how a training set is composed (`asteer_core.detectors`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from asteer_core.concepts.real import domains
from asteer_core.detectors import Aids, DuplicateIndex, TextSet, draw
from asteer_core.errors import DataError
from asteer_core.study.kinds import KindChoice
from asteer_core.study.study import Study
from asteer_core.study.workspace import Workspace
from asteer_core.types import Configuration, fingerprint

DRAWN_SHARE = 0.8
"""Part of a corpus drawn as positives by each seed, unless the study fixes a number: with all of it, seeds would not differ."""

VALIDATION = "validation"


@dataclass(frozen=True)
class Trial:
    """Real texts of a concept, the tested rows, and the indices of near-duplicates of test and judge texts."""

    positives: TextSet
    negatives: TextSet
    tested: TextSet
    rows: pl.DataFrame
    duplicates: DuplicateIndex
    judged: DuplicateIndex

    def mask(self, split: str) -> np.ndarray:
        """Return which tested rows belong to `split`, bool [text]; the headline test set has the sources that detectors learn from."""
        found = (self.rows["split"] == split).to_numpy()
        if split != "test" or not (self.rows["domain"] == "in").any():
            return found
        return found & (self.rows["domain"] == "in").to_numpy()

    def domains(self) -> list[tuple[str, str, np.ndarray]]:
        """Return (source, `in` or `out`, bool [text]) of every source with test rows."""
        kinds = self.rows.filter(pl.col("split") == "test").select("source", "domain").unique().sort("domain", "source").rows()
        test = (self.rows["split"] == "test").to_numpy()
        return [(source, domain, test & (self.rows["source"] == source).to_numpy()) for source, domain in kinds]

    def validation(self) -> tuple[TextSet, np.ndarray]:
        """Return the validation texts and their labels, by which kinds may choose."""
        mask = self.mask(VALIDATION)
        return self.tested.take(mask), self.rows["label"].to_numpy()[mask].astype(float)


def trial_of(ws: Workspace, concept: str, stage: str) -> Trial:
    """Return the real data of a concept, measured once."""

    def read() -> Trial:
        real = ws.concept(concept).real

        def part(splits: list[str]) -> tuple[pl.DataFrame, TextSet]:
            rows = real.filter(pl.col("split").is_in(splits))
            where = f"concept {concept}, {' and '.join(splits)}"
            return rows, measured(ws, rows["prompt"].to_list(), rows["response"].to_list(), where, stage)

        rows, tested = part([VALIDATION, "test"])
        rows = rows.with_columns(domain=pl.col("source").replace_strict(domains(real), default="in"))
        judged = DuplicateIndex(TextSet(tuple(ws.concept(concept).judge["response"])))
        return Trial(part(["detector_positives"])[1], part(["detector_negatives"])[1], tested, rows, DuplicateIndex(tested), judged)

    return ws.remember(("trial", concept), read)


def measured(ws: Workspace, prompts: Sequence[str], texts: Sequence[str], where: str, stage: str) -> TextSet:
    """Return the texts with all that the study's detector kinds read of them; every text is embedded once."""
    found = TextSet(tuple(texts), ws.embed(list(texts), stage), where, tuple(prompts))
    activations: dict[tuple[str, int], np.ndarray] = {}
    for name, blocks in _probed(ws).items():
        from asteer_core.model.probing import activations_of

        activations |= activations_of(ws.model(name), prompts, texts, blocks)
    return replace(found, activations=activations)


def _probed(ws: Workspace) -> dict[str, list[int]]:
    """Return language model -> the blocks that the study's kinds read of it, ascending."""
    found: dict[str, set[int]] = {}
    for kind in (choice.build() for choice in ws.study.detectors.kinds):
        if name := kind.language_model():
            found.setdefault(name, set()).update(kind.blocks(ws.depth(name)))
    return {name: sorted(blocks) for name, blocks in found.items()}


def n_positives(study: Study) -> int:
    """Return how many positives every arm trains on: the same number for all, so that arms are comparable."""
    return study.detectors.positives or max(1, round(DRAWN_SHARE * study.size.prompts * study.size.samples))


def positives_of(ws: Workspace, configuration: Configuration, responses: pl.DataFrame, stage: str) -> tuple[TextSet, dict[str, int | None]]:
    """Return an arm's texts (columns `prompt`, `text`) without near-duplicates of test texts, and the counts of those.

    Raises:
        DataError: nothing is left.
    """
    where = f"concept {configuration.concept}, configuration {configuration.key}"
    everything = measured(ws, responses["prompt"].to_list(), responses["text"].to_list(), where, stage)
    keep, counts = trial_of(ws, configuration.concept, stage).duplicates.check(everything)
    if not keep.any():
        raise DataError(f"{where}: all {len(keep)} texts are near-duplicates of test texts; nothing is left to train on")
    return everything.take(keep), counts


def negatives_of(ws: Workspace, concept: str, seed: int, stage: str) -> TextSet:
    """Return the negatives of one seed: seeded without the configuration, so the same ones in every arm."""
    count = round(ws.study.detectors.negatives_per_positive * n_positives(ws.study))
    return draw(trial_of(ws, concept, stage).negatives, count, ws.rng("negatives", concept, str(seed)))


def aids_of(ws: Workspace, configuration: Configuration, choice: KindChoice, seed: int, stage: str) -> Aids:
    """Return the validation texts, a checkpoint folder of this fit's own, and the study's listener."""
    trial = trial_of(ws, configuration.concept, stage)
    what = f"{configuration.concept}, {configuration.key}, {choice.name}, seed {seed}"
    return Aids(
        trial.validation(),
        checkpoints_of(ws) / fingerprint([configuration.id, choice.model_dump(), seed, configuration.concept]),
        lambda done, total, note: ws.report("fine_tuning", done, total, f"{what}: {note}"),
    )


def checkpoints_of(ws: Workspace) -> Path:
    """Return where fits that take long leave what they need to go on after a kill."""
    return ws.store.scratch(ws.home) / "checkpoints"
