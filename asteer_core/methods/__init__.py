"""Steering methods: pairs of activations in, a direction and its edit out. One file per method; numpy only, no model here."""

from asteer_core.methods._base import AdditiveMethod, Fit, Method
from asteer_core.methods._registry import METHODS
from asteer_core.methods.artifacts import load_vectors, save_vectors
from asteer_core.methods.fitting import fit_vector

__all__ = ["METHODS", "AdditiveMethod", "Fit", "Method", "fit_vector", "load_vectors", "save_vectors"]
