"""The ceiling of correlations with AUROC is the correlation that the true quality of detectors has with their measured AUROC."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import spearmanr

from asteer_core.analysis import Reliability, fisher_pool, pooled_ceiling, reliability_ceiling
from asteer_core.detectors import quarter_auroc
from asteer_core.detectors.ranking import auroc
from asteer_core.errors import DataError

MANY = 4000


def planted(rng: np.random.Generator, n_seeds: int, prompts: float, seeds: float, both: float, splits: int = 4) -> np.ndarray:
    """Return quarters of 4,000 configurations of true variance 1; variances of noise are those of one half of all prompts, one seed."""
    size = n_seeds // 2
    truth = rng.normal(size=(splits, 1, 1, MANY))
    by_prompts = np.sqrt(prompts) * rng.normal(size=(splits, 2, 1, MANY))
    by_seeds = np.sqrt(seeds / size) * rng.normal(size=(splits, 1, 2, MANY))
    return truth + by_prompts + by_seeds + np.sqrt(both / size) * rng.normal(size=(splits, 2, 2, MANY))


@pytest.mark.parametrize("n_seeds", [2, 3, 5, 8])
@pytest.mark.parametrize(("prompts", "seeds", "both"), [(1, 0, 0), (0, 2, 0), (0, 0, 3), (0.5, 1, 1), (0, 0, 0)])
def test_reliability_is_the_share_of_the_truth_in_the_variance_of_the_whole(rng, n_seeds, prompts, seeds, both):
    found = reliability_ceiling(planted(rng, n_seeds, prompts, seeds, both), n_seeds)
    known = 1 / (1 + prompts / 2 + seeds / n_seeds + both / (2 * n_seeds))
    assert found.reliability == pytest.approx(known, abs=0.035)  # ranks, where the known one is of values
    assert found.ceiling == pytest.approx(np.sqrt(found.reliability)) and not found.reason


def detectors(rng, n=40, n_groups=40, n_seeds=5, of_prompts=0.6, of_seeds=0.25, of_both=0.6):
    """Return labels, groups, the true quality of each configuration, and scores [configuration, seed, text]."""
    labels, groups = np.tile([0, 1], 2 * n_groups), np.repeat(np.arange(n_groups), 4)
    quality = 1 + 0.35 * rng.normal(size=n)
    # Texts that are hard for all, and prompts that one configuration has trouble with.
    common = 0.5 * rng.normal(size=len(labels))
    own = of_prompts * (rng.normal(size=(n, 1, n_groups))[..., groups] + rng.normal(size=(n, 1, len(labels))))
    trained = of_seeds * rng.normal(size=(n, n_seeds, 1)) * labels
    return labels, groups, quality, expit(
        quality[:, None, None] * labels + common + own + trained + of_both * rng.normal(size=(n, n_seeds, len(labels)))
    )  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [{}, {"n_seeds": 3}, {"n_seeds": 2}, {"of_seeds": 0.0, "of_both": 0.0}, {"of_both": 2.0}, {"of_seeds": 0.5}],
)
def test_no_metric_can_be_expected_to_go_beyond_what_the_truth_itself_reaches(settings):
    ceilings, reached = [], []
    for seed in range(25):
        labels, groups, quality, scores = detectors(np.random.default_rng(seed), **settings)
        quarters = [quarter_auroc(labels, one, groups, np.random.default_rng(seed), n_splits=20) for one in scores]
        ceilings.append(reliability_ceiling(np.stack(quarters, axis=-1), scores.shape[1]).ceiling)
        once = np.ones((len(labels), 1))
        measured = [np.mean([auroc(labels, row, once)[0] for row in one]) for one in scores]
        reached.append(spearmanr(quality, measured).statistic)
    assert np.mean(ceilings) == pytest.approx(np.mean(reached), abs=0.035)
    assert np.mean(reached) < 0.95  # there is noise to be seen


def test_more_prompts_and_more_seeds_raise_the_ceiling(rng):
    few, prompts, seeds = (
        reliability_ceiling(planted(rng, n_seeds, noise, 1.0, 0.0), n_seeds).ceiling for n_seeds, noise in ((2, 1.0), (2, 0.2), (8, 1.0))
    )
    assert few + 0.03 < prompts and few + 0.03 < seeds


def test_a_ceiling_is_undefined_with_a_reason(rng):
    assert "constant" in reliability_ceiling(np.ones((3, 2, 2, 5)), 2).reason
    rising = np.arange(5.0)
    opposed = np.array([[[rising, -rising], [rising, -rising]]])
    assert reliability_ceiling(opposed, 2).ceiling is None and "chance" in reliability_ceiling(opposed, 2).reason
    assert reliability_ceiling(np.full((3, 2, 2, 5), np.nan), 2).ceiling is None


def test_splits_without_an_auroc_are_left_out(rng):
    whole = planted(rng, 4, 0.5, 0.5, 0.5)
    holed = np.concatenate([whole, np.where(np.arange(MANY) == 7, np.nan, whole)])
    assert reliability_ceiling(holed, 4) == reliability_ceiling(whole, 4)


@pytest.mark.parametrize(("shape", "n_seeds"), [((2, 5), 2), ((3, 2, 5), 2), ((3, 2, 2, 2), 2), ((3, 2, 2, 5), 1)])
def test_another_shape_or_a_single_seed_is_refused(shape, n_seeds):
    with pytest.raises(DataError, match=r"expected \[split, 2, 2, configuration\] with 3 or more"):
        reliability_ceiling(np.ones(shape), n_seeds)


def test_ceilings_are_pooled_as_correlations_are_and_one_unknown_leaves_all_unknown():
    first, second = Reliability(0.81, 0.9), Reliability(0.25, 0.5)
    found = pooled_ceiling([("evasion", first, 30), ("toxicity", second, 12), ("small", Reliability(None, None, "few"), 3)])
    assert found.ceiling == pytest.approx(float(fisher_pool(np.array([0.9, 0.5]), np.array([30, 12]))))
    assert found.reliability == pytest.approx(found.ceiling**2) and not found.reason
    unknown = pooled_ceiling([("evasion", first, 30), ("toxicity", Reliability(None, None, "one training seed"), 12)])
    assert unknown.ceiling is None and unknown.reason == "toxicity: one training seed"
    assert pooled_ceiling([("small", first, 3)]).ceiling is None
