"""A direction that another tool found: a GGUF control vector or a safetensors file, added. Nothing is fitted."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from asteer_core.methods._base import AdditiveMethod, Fit, paired
from asteer_core.methods._given import NOTHING, Given, Need, Options, provided
from asteer_core.methods._registry import METHODS
from asteer_core.vector_files import describe, read_directions


class ImportedOptions(Options):
    """`path`: a file, or the name under which `asteer vectors import` stored it; `{model}` and `{layer}` in it are replaced.

    `shift`: blocks to add to those in the file. `flip`: turn the direction round. `other_weights`: take a file that names other weights.
    """

    path: str = Field(min_length=1)
    shift: int = 0
    flip: bool = False
    other_weights: bool = False

    def files(self, model: str, block: int) -> tuple[str, ...]:
        """Return the file of one model and block."""
        return (self.path.replace("{model}", model).replace("{layer}", str(block)),)


class ImportedDirection(AdditiveMethod):
    """Adds a direction from a file, at unit norm: its size in the file plays no part, since a strength is a share of the residual norm.

    The pairs are read only for the evidence: separation and cosine to the mean difference, as for any fitted vector.
    """

    name = "imported"
    description = "a direction from a file of another tool (GGUF control vector, safetensors), added"
    source = "https://github.com/ggml-org/llama.cpp"
    min_pairs = 1
    needs: frozenset[Need] = frozenset({"files"})
    options: type[Options] = ImportedOptions

    def fit(self, positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, given: Given = NOTHING) -> Fit:
        """Return the unit direction of the file for the block; its origin and its norm in the file stand in `facts`. `rng` plays no part.

        Raises:
            DataError: pairs of activations that cannot be read.
            StoreError: the file is missing, a pickle, or holds no directions.
            ModelError: directions of another width or other weights, or none for this block; the message names the file.
        """
        positive, _ = paired(positive, negative, method=self.name, min_pairs=self.min_pairs)
        options = provided(given.options if isinstance(given.options, ImportedOptions) else None, method=self.name, need="files")
        (name,) = options.files(given.model, given.block)
        found = read_directions(provided(given.files.get(name), method=self.name, need="files"))
        found = found.shifted(options.shift) if options.shift else found
        found.check_model(given.model, positive.shape[1], None, given.weights, other_weights=options.other_weights)
        direction = found.unit(given.block) * (-1 if options.flip else 1)
        return Fit(direction, facts={**describe(found), "norm_in_file": found.norm(given.block)})


METHODS.register("imported")(ImportedDirection())
