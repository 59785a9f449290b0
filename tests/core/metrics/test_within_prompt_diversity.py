"""Within-prompt diversity: it sees replies to one prompt collapse while the prompts stay varied."""

import numpy as np
import pytest

from asteer_core.errors import DataError
from asteer_core.metrics import Measured, MetricSettings, score_corpus
from asteer_core.metrics.within_prompt_diversity import within_prompt_diversity

PROMPTS = [f"p{row // 4}" for row in range(40)]


def test_it_runs_from_one_reply_repeated_to_replies_that_share_nothing():
    same = np.repeat(np.eye(10), 4, axis=0)
    apart = np.tile(np.eye(4), (10, 1))
    assert within_prompt_diversity(same, PROMPTS, 4) == pytest.approx(0, abs=1e-9)
    assert within_prompt_diversity(apart, PROMPTS, 4) == pytest.approx(1)
    # Two of four replies alike: Vendi of the weights 1/2, 1/4, 1/4.
    half = np.tile(np.eye(4)[[0, 0, 1, 2]], (10, 1))
    assert within_prompt_diversity(half, PROMPTS, 4) == pytest.approx(1.5 * np.log(2) / np.log(4))


def test_further_replies_and_lonely_prompts_do_not_count(rng):
    rows = rng.normal(size=(42, 16))
    few = [*PROMPTS, "p0", "alone"]
    assert within_prompt_diversity(rows, few, 4) == pytest.approx(within_prompt_diversity(rows[:40], PROMPTS, 4))


@pytest.mark.parametrize(("k", "message"), [(1, "k >= 2"), (5, "no prompt has k=5 replies .at most 4.; raise size.samples")])
def test_what_it_cannot_be_computed_from_is_named(rng, k, message):
    with pytest.raises(DataError, match=message):
        within_prompt_diversity(rng.normal(size=(40, 8)), PROMPTS, k)


def test_a_corpus_of_several_replies_per_prompt_carries_it(rng):
    measured = Measured([f"text {row}" for row in range(40)], PROMPTS, embeddings=rng.normal(size=(40, 16)))
    settings = {k: MetricSettings(subsample_size=20, subsamples=2, replies_per_prompt=k) for k in (1, 4, 5)}
    found = {k: score_corpus(measured, None, one, np.random.default_rng(0)) for k, one in settings.items()}
    assert "within_prompt_diversity" not in found[1].corpus and found[4].corpus["within_prompt_diversity"] > 0.8
    assert found[5].corpus["within_prompt_diversity"] is None and "no prompt has" in found[5].reasons["within_prompt_diversity"]
