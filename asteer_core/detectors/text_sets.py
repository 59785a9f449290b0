"""Texts with what has been measured of them: embeddings, activations, n-gram counts. What every detector kind reads.

Not here: the measuring (the model room) and the composition of training sets (`arms.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from asteer_core.errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


Activations = Mapping[tuple[str, int], np.ndarray]
"""(model, block) -> mean activation over the tokens of each response, float32 [text, d_model]; NaN in rows of responses without tokens."""


@dataclass(frozen=True, eq=False)
class TextSet:
    """Texts with what is known of them; a kind names what it `needs`, and a set without it is refused.

    Attributes:
        texts: the responses.
        embeddings: float32 [text, d_embed], frozen sentence embeddings, or None.
        where: what these texts are, shown in errors ("concept toxicity, configuration llama-3m:caa:L02:s0.60").
        prompts: what each text answers, or None.
        activations: of language models that read the texts; see `Activations`.
    """

    texts: tuple[str, ...]
    embeddings: np.ndarray | None = None
    where: str = ""
    prompts: tuple[str, ...] | None = None
    activations: Activations = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", tuple(self.texts))
        if self.prompts is not None:
            object.__setattr__(self, "prompts", tuple(self.prompts))
            if len(self.prompts) != len(self.texts):
                raise DataError(f"{self.place}: {len(self.prompts)} prompts for {len(self.texts)} texts; expected one per text")
        for key, found in self.activations.items():
            self._check_rows(f"activations of {key}", found)
        if self.embeddings is None:
            return
        self._check_rows("embeddings", self.embeddings)
        broken = np.flatnonzero(~np.isfinite(self.embeddings).all(axis=1))
        if broken.size:
            raise DataError(
                f"{self.place}: the embeddings of {broken.size} texts hold NaN or infinity (rows {broken[:5].tolist()}); "
                "embed those texts again, or leave them out"
            )

    def _check_rows(self, what: str, found: np.ndarray) -> None:
        if found.ndim != 2 or len(found) != len(self.texts):
            raise DataError(
                f"{self.place}: {what} have shape {found.shape} for {len(self.texts)} texts; "
                "expected [text, width] with one row per text, in the same order"
            )

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def place(self) -> str:
        """The set's name in error messages."""
        return self.where or "text set"

    @cached_property
    def ngram_counts(self) -> csr_matrix:
        """Hashed counts of word 1-2-grams, [text, column]; counted once, and sliced with the set."""
        from asteer_core.detectors.tfidf import count_ngrams

        return count_ngrams(self.texts)

    def take(self, rows: np.ndarray) -> TextSet:
        """Return the texts at `rows` (integer indices or a mask), with what has been computed for them already."""
        rows = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows, dtype=int)
        part = TextSet(
            tuple(self.texts[i] for i in rows),
            None if self.embeddings is None else self.embeddings[rows],
            self.where,
            None if self.prompts is None else tuple(self.prompts[i] for i in rows),
            {key: found[rows] for key, found in self.activations.items()},
        )
        if "ngram_counts" in self.__dict__:
            part.__dict__["ngram_counts"] = self.ngram_counts[rows]
        return part

    def at_blocks(self, model: str, blocks: Sequence[int]) -> TextSet:
        """Return the texts with the activations of `model` at `blocks` and no others."""
        kept = {key: found for key, found in self.activations.items() if key[0] == model and key[1] in blocks}
        part = replace(self, activations=kept)
        if "ngram_counts" in self.__dict__:
            part.__dict__["ngram_counts"] = self.ngram_counts
        return part

    def join(self, other: TextSet) -> TextSet:
        """Return both sets in one, `self` first; what only one side knows is dropped."""
        embeddings = None
        if self.embeddings is not None and other.embeddings is not None:
            if self.embeddings.shape[1] != other.embeddings.shape[1]:
                raise DataError(
                    f"{self.place} has embeddings of width {self.embeddings.shape[1]}, {other.place} of width "
                    f"{other.embeddings.shape[1]}; embed both with one encoder"
                )
            embeddings = np.concatenate([self.embeddings, other.embeddings])
        both = TextSet(
            self.texts + other.texts,
            embeddings,
            self.where or other.where,
            None if self.prompts is None or other.prompts is None else self.prompts + other.prompts,
            {key: np.concatenate([found, other.activations[key]]) for key, found in self.activations.items() if key in other.activations},
        )
        if "ngram_counts" in self.__dict__ and "ngram_counts" in other.__dict__:
            from scipy.sparse import csr_matrix, vstack

            both.__dict__["ngram_counts"] = csr_matrix(vstack([self.ngram_counts, other.ngram_counts]))
        return both


def need_embeddings(texts: TextSet) -> np.ndarray:
    """Return the embeddings as float64 [text, d_embed].

    Raises:
        DataError: the set was made without embeddings.
    """
    if texts.embeddings is None:
        raise DataError(f"{texts.place}: the 'embedding' detector needs sentence embeddings; pass TextSet(texts, embeddings)")
    return np.asarray(texts.embeddings, dtype=np.float64)


def need_prompts(texts: TextSet, kind: str) -> tuple[str, ...]:
    """Return the prompts.

    Raises:
        DataError: the set was made without prompts.
    """
    if texts.prompts is None:
        raise DataError(f"{texts.place}: the {kind!r} detector reads prompts as well; give every text its prompt")
    return texts.prompts
