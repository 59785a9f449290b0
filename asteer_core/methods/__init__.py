"""Steering methods: pairs of activations in, a direction and its edit out. One file per method; numpy only, no model here."""

from asteer_core.methods._base import AdditiveMethod, BaseMethod, Fit, Method, paired, unit
from asteer_core.methods._given import Given, HeadPairs, Need, Options, PromptSets, parse_options
from asteer_core.methods._registry import METHODS
from asteer_core.methods.fitting import fit_vector
from asteer_core.vector_files import load_vectors, save_vectors

__all__ = [
    "METHODS",
    "AdditiveMethod",
    "BaseMethod",
    "Fit",
    "Given",
    "HeadPairs",
    "Method",
    "Need",
    "Options",
    "PromptSets",
    "fit_vector",
    "load_vectors",
    "paired",
    "parse_options",
    "save_vectors",
    "unit",
]
