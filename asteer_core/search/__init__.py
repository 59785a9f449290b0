"""The search for a configuration: trials on nested prompts over a study's grid, within a budget of responses.

Belongs here: making the rows of trials, and the course of a search. Does not: what is better (`choosing.objectives`), the arithmetic of
rungs (`choosing`), or what becomes of the rows (`training_set`).
"""

from asteer_core.search.preview import preview, previews
from asteer_core.search.result import Search, SearchSettings, trial_store, winner
from asteer_core.search.running import alone, check, configuration_search, prepare, search
from asteer_core.search.trials import Trials

__all__ = [
    "Search", "SearchSettings", "Trials", "alone", "check", "configuration_search", "prepare", "preview", "previews", "search",
    "trial_store", "winner",
]  # fmt: skip
