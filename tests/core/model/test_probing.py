"""What probes read: the mean over the response, of pairs cut to the context, each distinct pair once."""

import numpy as np
import pytest

from asteer_core.model.activations import capture
from asteer_core.model.probing import activations_of, fit_context
from asteer_core.model.prompts import TokenPair


@pytest.mark.parametrize(
    ("n_prompt", "n_response", "longest", "expected"),
    [
        (4, 4, 8, (list(range(8)), 4)),
        (6, 4, 8, ([0, 3, 4, 5, 6, 7, 8, 9], 4)),  # the prompt loses its beginning, BOS stays
        (2, 9, 8, (list(range(8)), 2)),  # the response loses its end
        (9, 9, 8, ([0, 6, 7, 8, 9, 10, 11, 12], 4)),  # both: half of the context each
        (9, 1, 8, ([0, 3, 4, 5, 6, 7, 8, 9], 7)),
        (9, 9, None, (list(range(18)), 9)),
    ],
)
def test_a_pair_is_cut_to_the_context_and_keeps_its_response(n_prompt, n_response, longest, expected):
    assert fit_context(TokenPair(list(range(n_prompt + n_response)), n_prompt, 1), longest) == expected


def test_a_prompt_without_bos_may_go_altogether():
    assert fit_context(TokenPair(list(range(10)), 8, 0), 2) == ([7, 8], 1)
    assert fit_context(TokenPair(list(range(10)), 2, 0), 1) == ([2], 0)


def test_activations_are_means_over_the_response_and_long_pairs_have_them_too(make_model):
    model = make_model("llama")
    longest = model.context_length
    prompts, responses = ["word one", "word " * (2 * longest), "word one", "one"], ["two three", "four", "two three", ""]
    found = activations_of(model, prompts, responses, [0, 1])
    plain = capture(model, prompts[:1], responses[:1], [0, 1])
    for block in (0, 1):
        read = found[model.name, block]
        np.testing.assert_allclose(read[0], plain[block][0], atol=1e-5)
        np.testing.assert_array_equal(read[0], read[2])
        assert np.isfinite(read[1]).all() and np.isnan(read[3]).all()
