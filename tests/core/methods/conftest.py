"""Planted pairs, and everything else that a method may need to be fitted on them, carrying the same planted direction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from safetensors.numpy import save_file

from asteer_core.methods import METHODS, Given, HeadPairs, PromptSets
from asteer_core.types import TrainedVector
from asteer_core.vector_files import write_control_vector

D, HEADS = 48, 6


def planted_pairs(seed, pairs=160, d=D, push=2.5):
    """Pairs that share a large offset per pair; dimensions differ tenfold in scale. Returns positive, negative, unit truth."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(d)
    truth /= np.linalg.norm(truth)
    shared = 3 * rng.standard_normal((pairs, d)) + 5
    amount = push * (1 + 0.2 * rng.standard_normal(pairs))
    noise = 0.15
    positive = shared + amount[:, None] * truth + noise * rng.standard_normal((pairs, d))
    negative = shared + noise * rng.standard_normal((pairs, d))
    return positive, negative, truth


def basis_with(truth, seed, place=10):
    """Return an orthogonal matrix whose row `place` is the truth."""
    start = np.random.default_rng(seed).standard_normal((len(truth), len(truth)))
    start[0] = truth
    rows = np.linalg.qr(start.T)[0].T
    rows[0] = truth
    order = np.r_[np.arange(1, place + 1), 0, np.arange(place + 1, len(truth))]
    return rows[order]


def head_pairs(positive, negative, truth, seed):
    """Return the pairs as six heads of eight, of which the second carries the signal; writing them back gives the pairs."""
    basis = basis_with(truth, seed)
    sides = [(side @ basis.T).reshape(len(side), HEADS, -1) for side in (positive, negative)]
    cut = len(positive) * 3 // 4
    return HeadPairs((sides[0][:cut], sides[1][:cut]), (sides[0][cut:], sides[1][cut:]), basis.T.astype(np.float32))


def prompt_sets(seed, prompts=60, d=D, shift=6.0):
    """Return prompts of two kinds that differ along one axis."""
    rng = np.random.default_rng(seed)
    axis = np.eye(d)[seed % d]
    own, other = (rng.standard_normal((prompts, d)) + 2 + amount * axis for amount in (shift, 0.0))
    half = prompts // 2
    return PromptSets(own[:half], other[:half], own[half:], other[half:])


def trainer(positive, negative):
    """Return a trainer that finds the mean difference: what is tested is what the method makes of a trained vector."""

    def train(**_):
        return TrainedVector((positive - negative).mean(axis=0).astype(np.float32), (3.0, 2.0, 2.5), 1)

    return train


@pytest.fixture(scope="session")
def sae_of(tmp_path_factory) -> Callable:
    """A function (activations, truth, seed) -> file of an autoencoder that has the truth among its latents."""

    def make(activations, truth, seed):
        basis = basis_with(truth, seed).astype(np.float32)
        path = tmp_path_factory.mktemp("sae") / "sae.safetensors"
        middle = np.median(activations @ basis.T, axis=0).astype(np.float32)
        save_file({"W_enc": basis.T.copy(), "W_dec": basis, "b_enc": 10 - middle, "b_dec": np.zeros(len(truth), np.float32)}, path)
        return path

    return make


@pytest.fixture(scope="session")
def file_of(tmp_path_factory, sae_of) -> Callable:
    """A function (method, activations, truth, seed) -> the file that the method reads."""

    def make(name, activations, truth, seed):
        if name == "sae":
            return sae_of(activations, truth, seed)
        path = tmp_path_factory.mktemp("vector") / "v.gguf"
        write_control_vector(path, {2: 3 * truth}, "llama")
        return path

    return make


@pytest.fixture
def given_for(file_of) -> Callable:
    """A function (method, positive, negative, truth, seed) -> what the method needs beside the pairs."""

    def give(name, positive, negative, truth, seed=0):
        method = METHODS.get(name)
        options = {"sae": {"sae": "file", "top_k": 1}, "imported": {"path": "file"}, "iti": {"top_k": 1}}.get(name, {})
        cut = len(positive) * 3 // 4
        return Given(
            block=2,
            model="tiny",
            options=method.options(**options),
            tuning=(positive[cut:], negative[cut:]) if "tuning" in method.needs else None,
            heads=head_pairs(positive, negative, truth, seed) if "heads" in method.needs else None,
            prompts={2: prompt_sets(seed)} if "prompts" in method.needs else {},
            train=trainer(positive, negative) if "training" in method.needs else None,
            files={"file": file_of(name, np.concatenate([positive, negative]), truth, seed)} if "files" in method.needs else {},
        )

    return give
