"""A study with known answers: AUROC follows the metrics of 4 concepts x 2 models x 16 configurations."""

import numpy as np
import polars as pl
import pytest


def planted_study(rng, concepts=4, models=2, noise=0.05, lift=0.0):
    """Return a frame in which AUROC rises with HM, and `difference` with it; `lift` moves all differences."""
    rows = []
    for concept in range(concepts):
        for model in range(models):
            for method in ("caa", "pca", "probe", "angular"):
                for strength in (0.3, 0.5, 0.7, 0.9):
                    name = f"c{concept}:m{model}:{method}:{strength}"
                    identity = {"study": "s", "concept": f"c{concept}", "model": f"m{model}", "method": method, "layer": 2}
                    rows.append(identity | {"strength": strength, "configuration_id": name} | planted_values(rng, noise, lift))
    return pl.DataFrame(rows)


def planted_values(rng, noise, lift):
    s, c, d = 0.05 + 0.9 * rng.random(3)
    sample, both = d**0.8, {"am": (s + c + d) / 3, "am_sc": (s + c) / 2, "gm": (s * c * d) ** (1 / 3), "gm_sc": (s * c) ** 0.5}
    metrics = {"success": s, "coherence": c, "diversity": d, "sample_diversity": sample, "set_diversity": d**2 / sample}
    metrics |= both | {"hm": 3 / (1 / s + 1 / c + 1 / d), "hm_sc": 2 / (1 / s + 1 / c), "min": min(s, c, d), "min_sc": min(s, c)}
    difference = 0.5 * metrics["hm"] - 0.15 + lift + noise * rng.normal()
    against = {"difference": difference, "difference_lo": difference - 0.04, "difference_hi": difference + 0.04}
    against |= {f"{name}_best".replace("_lo_best", "_best_lo").replace("_hi_best", "_best_hi"): v - 0.03 for name, v in against.items()}
    p = {"p": float(np.exp(-((difference / 0.02) ** 2) / 2)), "p_best": float(np.exp(-((against["difference_best"] / 0.02) ** 2) / 2))}
    auroc = {"auroc": 0.7 + difference, "auroc_lo": 0.65 + difference, "auroc_hi": 0.75 + difference}
    return metrics | {"mean_length": float(rng.integers(20, 60))} | auroc | against | p


@pytest.fixture
def study(rng):
    return planted_study(rng)


@pytest.fixture
def make_study():
    return planted_study
