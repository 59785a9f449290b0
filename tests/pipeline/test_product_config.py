"""What is chosen in the launchpad arrives in the core as it was chosen, and a wrong choice is refused."""

import pytest

from asteer_core.errors import ConfigError
from asteer_pipeline.product_config import SearchConfig


def test_every_field_of_a_search_reaches_the_core():
    config = SearchConfig(
        budget="300", objective="success", rungs=[4, 16], sampler="tpe", temperature=[0.6, 1.1], top_p=[0.8, 1.0], trials=9, seed=3
    )
    found = config.search()
    assert (found.budget.responses, found.objective, found.prompts, found.sampler, found.seed, found.trials) == (
        300, "success", (4, 16), "tpe", 3, 9,
    )  # fmt: skip
    assert found.spans == {"temperature": (0.6, 1.1), "top_p": (0.8, 1.0)}


def test_a_search_that_chooses_nothing_leaves_the_sampling_to_the_study():
    found = SearchConfig().search()
    assert found.spans == {} and found.trials is None and found.prompts is None and found.sampler == "grid"


def test_a_search_that_chooses_nothing_fits_any_grid():
    assert SearchConfig().search().budget.of(256, least=132) == 132 and SearchConfig().search().budget.of(2560, least=132) == 384


def test_a_range_without_the_sampler_that_searches_it_is_refused():
    with pytest.raises(ConfigError, match="--sampler tpe"):
        SearchConfig(temperature=[0.6, 1.1]).search()
