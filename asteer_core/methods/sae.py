"""A direction out of a sparse autoencoder that the user supplies: the decoder rows of the latents that tell the pairs apart."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy.stats import rankdata

from asteer_core.errors import DataError
from asteer_core.methods._base import AdditiveMethod, Fit, paired, unit
from asteer_core.methods._given import NOTHING, Given, Need, Options, provided
from asteer_core.methods._registry import METHODS
from asteer_core.methods._sae_file import read_sae


class SaeOptions(Options):
    """`sae`: a safetensors file; `{model}` and `{layer}` in it are replaced. `top_k`: how many latents make the direction."""

    sae: str = Field(min_length=1)
    top_k: int = Field(default=8, ge=1)

    def files(self, model: str, block: int) -> tuple[str, ...]:
        """Return the file of one model and block."""
        return (self.sae.replace("{model}", model).replace("{layer}", str(block)),)


class SaeDirection(AdditiveMethod):
    """Adds a sum of decoder rows, each weighted by how much more its latent is active on violating than on compliant replies.

    Latents are ranked by how well they separate tuning pairs, |AUROC - 0.5|, in either direction.

    Source: O'Brien et al. 2024, https://arxiv.org/abs/2411.11296; Templeton et al. 2024,
    https://transformer-circuits.pub/2024/scaling-monosemanticity.
    """

    name = "sae"
    description = "decoder rows of the separating latents of a sparse autoencoder of yours, added"
    source = "https://arxiv.org/abs/2411.11296"
    min_pairs = 2
    needs: frozenset[Need] = frozenset({"files", "tuning"})
    options: type[Options] = SaeOptions

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return the unit direction; the latents with their separations and weights stand in `facts`. `rng` plays no part.

        Raises:
            DataError: pairs that hold no direction, an autoencoder of another width or block, or no latent that separates the pairs.
            StoreError: the file is missing or no autoencoder.
        """
        positive, negative = paired(positive, negative, method=self.name, min_pairs=self.min_pairs)
        tuning = provided(given.tuning, method=self.name, need="tuning")
        options = provided(given.options if isinstance(given.options, SaeOptions) else None, method=self.name, need="files")
        (name,) = options.files(given.model, given.block)
        sae = read_sae(provided(given.files.get(name), method=self.name, need="files"))
        sae.check(positive.shape[1], given.block)
        scores = _separations(sae.encode(tuning[0]), sae.encode(tuning[1]))
        weights = sae.encode(positive).mean(axis=0) - sae.encode(negative).mean(axis=0)
        # A latent that leans one way on the tuning pairs and the other way on the training pairs says nothing.
        agree = np.where((scores - 0.5) * weights > 0, np.abs(scores - 0.5), 0.0)
        chosen = np.argsort(-agree, kind="stable")[: options.top_k]
        chosen = chosen[agree[chosen] > 0]
        if not len(chosen):
            raise DataError(
                f"method 'sae': none of the {len(weights)} latents of {sae.path} separates the pairs; "
                "use an autoencoder trained at this block of this model, or another block"
            )
        direction = unit(weights[chosen] @ sae.decoder[chosen], method=self.name, what="weighted sum of decoder rows")
        facts = {
            "latents": chosen.tolist(),
            "latent_separations": scores[chosen].tolist(),
            "latent_weights": weights[chosen].tolist(),
            "latents_in_all": len(weights),
        }
        return Fit(direction, facts=facts)


def _separations(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Return each latent's AUROC, positives against negatives, float64 [latent]; 0.5 where it is never active."""
    ranks = rankdata(np.concatenate([positive, negative]), axis=0)[: len(positive)].sum(axis=0)
    return (ranks - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative))


METHODS.register("sae")(SaeDirection())
