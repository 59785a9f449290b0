"""What coherence is measured against: the NLL and relevance of unsteered and prompted responses of the same study."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from asteer_core.errors import DataError

MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True)
class Reference:
    """Median and robust spread of the reference NLL (nats per token); median prompt-response cosine of random and of true pairs."""

    nll_location: float
    nll_scale: float
    random_cosine: float
    matched_cosine: float

    def as_dict(self) -> dict[str, float]:
        """Return the four numbers by name, for tables and fingerprints."""
        return asdict(self)


def fit_reference(nll: np.ndarray, matched_cosine: np.ndarray, random_cosine: np.ndarray) -> Reference:
    """Return the reference from measurements of unsteered and prompted responses; values that are NaN are left out.

    Args:
        nll: mean token NLL under the scorer, [response].
        matched_cosine: cosine of each response with its own prompt, [response].
        random_cosine: cosine of responses with prompts of others, [pair]; see `random_pair_cosines`.

    Raises:
        DataError: fewer than two finite values, no spread in the NLL, or true pairs no nearer than random ones.
    """
    kept = {}
    for name, values in {"nll": nll, "matched_cosine": matched_cosine, "random_cosine": random_cosine}.items():
        values = np.asarray(values, dtype=np.float64)
        kept[name] = values[np.isfinite(values)]
        if len(kept[name]) < 2:
            raise DataError(f"coherence reference: {name} has {len(kept[name])} finite values of {values.size}; needs at least 2")
    location = float(np.median(kept["nll"]))
    scale = MAD_TO_SIGMA * float(np.median(np.abs(kept["nll"] - location)))
    matched, random = float(np.median(kept["matched_cosine"])), float(np.median(kept["random_cosine"]))
    if scale <= 0:
        raise DataError(
            f"coherence reference: more than half of {len(kept['nll'])} NLL values equal {location:.4g}, so they have no spread; "
            "check the scorer and the baseline responses"
        )
    if matched <= random:
        raise DataError(
            f"coherence reference: responses are no nearer to their own prompt (median cosine {matched:.3f}) "
            f"than to others ({random:.3f}); "
            "check that prompts and responses are in the same order"
        )
    return Reference(location, scale, random, matched)


def random_pair_cosines(prompt_embeddings: np.ndarray, response_embeddings: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the cosine of each response with the prompt of another row, float64 [row].

    Rows are paired by a random cycle, so that none meets its own prompt. Zero rows give NaN.

    Raises:
        DataError: fewer than two rows, or other shapes.
    """
    n = len(response_embeddings)
    if n < 2 or prompt_embeddings.shape != response_embeddings.shape:
        raise DataError(
            f"random pairs: prompt embeddings {prompt_embeddings.shape}, response embeddings {response_embeddings.shape}; "
            "expected the same [row, d_embed] with at least 2 rows"
        )
    cycle = rng.permutation(n)
    partner = np.empty(n, dtype=np.int64)
    partner[cycle] = np.roll(cycle, 1)
    return pair_cosines(prompt_embeddings[partner], response_embeddings)


def pair_cosines(prompt_embeddings: np.ndarray, response_embeddings: np.ndarray) -> np.ndarray:
    """Return the cosine of row i of both arrays, float64 [row]; NaN for a zero row."""
    a, b = np.asarray(prompt_embeddings, dtype=np.float64), np.asarray(response_embeddings, dtype=np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.divide((a * b).sum(axis=1), norms, out=np.full(len(a), np.nan), where=norms > 0)
