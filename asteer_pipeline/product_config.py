"""What one may choose when the assets made on demand are launched; the fields appear in Dagster's launchpad.

What does not belong here: what the choices mean (`asteer_core.search`, `asteer_core.training_set`).
"""

import dagster as dg
from pydantic import Field

from asteer_core.choosing import AUTO, Thresholds, parse_budget
from asteer_core.search import SearchSettings
from asteer_core.training_set import Recipe
from asteer_core.training_set.recipes import DEFAULT


class SearchConfig(dg.Config):
    """How a search goes."""

    budget: str = Field(
        AUTO, description="Responses at most: 20k-responses, 2000, 15% of the full grid; auto = 15%, or the least that a search takes."
    )
    objective: str = Field("hm", description="hm, hm_sc, hm_sd, success, d or predicted.")
    rungs: list[int] = Field([], description="Prompts of each rung; empty = what the budget carries.")
    sampler: str = Field("grid", description="grid, or tpe for strengths, and samplings, between those of the grid.")
    temperature: list[float] = Field([], description="Lowest and highest temperature that tpe proposes; empty = the study's.")
    top_p: list[float] = Field([], description="Lowest and highest nucleus that tpe proposes; empty = the study's.")
    trials: int = Field(0, description="Configurations that tpe proposes; 0 = as many as the grid has.")
    seed: int = Field(0, description="Order of the prompts, and what is drawn.")

    def search(self) -> SearchSettings:
        """Return the settings of the core."""
        rungs = tuple(self.rungs) or None
        return SearchSettings(
            parse_budget(self.budget),
            self.objective,
            rungs,
            sampler=self.sampler,
            seed=self.seed,
            temperature=tuple(self.temperature) or None,
            top_p=tuple(self.top_p) or None,
            trials=self.trials or None,
        )


class TrainingSetConfig(SearchConfig):
    """How a search goes, and how rows are chosen from it."""

    recipe: str = Field(DEFAULT, description="single, thresholds, facility, log_determinant, mixture or random.")
    min_success: float = Field(0.5, description="Least success of a response, in the recipes that drop.")
    min_coherence: float = Field(0.0, description="Least coherence, likewise.")
    mixed_by: str = Field("hm", description="Objective of a mixture.")
    negatives: str = Field("none", description="Rows of label 0: none, unsteered or concept.")

    def chosen(self) -> Recipe:
        """Return the recipe of the core."""
        limits = Thresholds(self.min_success, self.min_coherence)
        return Recipe(self.recipe, thresholds=limits, mixed_by=self.mixed_by, negatives=self.negatives, seed=self.seed)


class PreviewConfig(dg.Config):
    """What is shown before a run."""

    prompts: int = Field(4, description="Prompts.")
    configuration: str = Field("", description="A configuration key of the study; empty = the middle one of each model's.")
