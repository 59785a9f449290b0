"""What every test may use: a seeded generator and the settings of hypothesis."""

import numpy as np
import pytest
from hypothesis import settings

# Deadlines fail on a loaded machine, not on wrong code; derandomised, since a test that fails must fail again.
settings.register_profile("asteer", deadline=None, derandomize=True)
settings.load_profile("asteer")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
