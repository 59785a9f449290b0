"""A fitted vector carries its evidence: held-out separation, cosine to the mean difference, pairs used and dropped."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from asteer_core.errors import ConfigError, DataError
from asteer_core.methods import METHODS, fit_vector
from asteer_core.methods._base import Fit


def pairs(seed, n=80, d=16, push=1.0):
    rng = np.random.default_rng(seed)
    negative = rng.standard_normal((n, d)).astype(np.float32)
    return (negative + push * np.eye(d, dtype=np.float32)[0] + 0.5 * rng.standard_normal((n, d)).astype(np.float32)), negative


def fit(method="caa", train=None, heldout=None, scale=4.0, **keywords):
    train = pairs(0) if train is None else train
    return fit_vector("evasion", "tiny", method, 1, train, heldout, scale, np.random.default_rng(0), **keywords)


PAIRS_ALONE = [name for name in METHODS.names() if not METHODS.get(name).needs - {"candidates"}]


@pytest.mark.parametrize("method", PAIRS_ALONE)
def test_separation_is_the_auroc_of_held_out_projections(method):
    held = pairs(1)
    vector = fit(method, heldout=held)
    labels, projections = np.repeat([1, 0], 80), np.concatenate(held) @ vector.direction
    assert vector.separation == pytest.approx(roc_auc_score(labels, projections), abs=1e-3)
    assert vector.direction.dtype == np.float32
    assert vector.metadata["heldout_pairs"] == 80


def test_without_held_out_pairs_the_separation_is_null():
    assert fit().separation is None
    nothing = np.full((3, 16), np.nan)
    vector = fit(heldout=(nothing, nothing))
    assert vector.separation is None
    assert vector.metadata["heldout_dropped"] == 3


def test_the_cosine_to_the_mean_difference_is_one_for_caa_and_near_zero_for_random():
    assert fit().cosine_to_mean_difference == pytest.approx(1)
    assert abs(fit("random").cosine_to_mean_difference) < 0.9


def test_pairs_that_are_not_finite_are_dropped_and_counted():
    positive, negative = pairs(0)
    dirty = positive.copy(), negative.copy()
    dirty[0][4, 2], dirty[1][9, 0] = np.inf, np.nan
    vector = fit(train=dirty)
    assert (vector.metadata["pairs_used"], vector.metadata["pairs_dropped"]) == (78, 2)
    keep = np.setdiff1d(np.arange(80), [4, 9])
    np.testing.assert_array_equal(vector.direction, fit(train=(positive[keep], negative[keep])).direction)


def test_the_probe_keeps_its_reading_direction_and_how_well_it_reads():
    vector = fit("probe", heldout=pairs(1))
    assert np.linalg.norm(vector.extras["reading"]) == pytest.approx(1, abs=1e-5)
    assert 0.5 < vector.metadata["reading_separation"] <= 1


def test_metadata_of_the_caller_are_kept():
    assert fit(metadata={"weights": "abc"}).metadata["weights"] == "abc"


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_scale_that_is_not_a_norm_is_refused(scale):
    with pytest.raises(DataError, match="residual norm"):
        fit(scale=scale)


def test_errors_name_concept_model_method_and_block():
    positive, negative = pairs(0)
    where = "concept 'evasion', model 'tiny', method 'caa', block 1"
    with pytest.raises(DataError, match=where):
        fit(train=(positive, positive))
    with pytest.raises(DataError, match=where):
        fit(train=(positive, negative[1:]))
    with pytest.raises(DataError, match="80 of 80 pairs hold NaN"):
        fit(train=(positive * np.nan, negative))
    with pytest.raises(DataError, match="width 4"):
        fit(heldout=(np.ones((5, 4)), np.zeros((5, 4))))


def test_an_unknown_method_is_named():
    with pytest.raises(ConfigError, match="Did you mean 'pca'.* Registered: ablation, ace, angular"):
        fit("cca")


def test_choices_are_made_on_one_half_of_the_held_out_pairs_and_evidence_comes_from_the_other(given_for):
    train, held = pairs(0), pairs(1)
    truth = np.eye(16)[0]
    given = given_for("learned", *train, truth)
    vector = fit("learned", train=train, heldout=held, given=given)
    assert (vector.metadata["tuning_pairs"], vector.metadata["heldout_pairs"]) == (40, 40)
    labels, projections = np.repeat([1, 0], 40), np.concatenate([held[0][40:], held[1][40:]]) @ vector.direction
    assert vector.separation == pytest.approx(roc_auc_score(labels, projections), abs=1e-3)
    with pytest.raises(DataError, match="3 held-out pairs"):
        fit("learned", train=train, heldout=(held[0][:3], held[1][:3]), given=given)


@pytest.mark.parametrize(("method", "need"), [("iti", "heads"), ("cast", "prompts"), ("learned", "training"), ("sae", "tuning")])
def test_a_method_without_what_it_needs_says_so(method, need):
    with pytest.raises(DataError, match=f"method '{method}' needs '{need}'"):
        fit(method)


@pytest.mark.parametrize(("direction", "norm"), [(np.zeros(16), "0"), (np.full(16, np.nan), "nan"), (np.full(16, 2.0), "8")])
def test_a_method_whose_fit_is_no_direction_is_refused_with_where_it_happened(monkeypatch, direction, norm):
    monkeypatch.setattr(type(METHODS.get("caa")), "fit", lambda *_: Fit(direction))
    with pytest.raises(DataError, match=f"concept 'evasion', model 'tiny', method 'caa', block 1: .*norm {norm};"):
        fit()
