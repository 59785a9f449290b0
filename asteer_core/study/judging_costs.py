"""What the judge of a study will cost at an endpoint before it runs: calls, tokens and dollars, from the plan and the concepts' cards.

Not here: time and disk (`estimate.py`), the price of texts that are there already (`Instruments.judging`).
"""

from pathlib import Path

from asteer_core.concepts.card import read_card
from asteer_core.concepts.concept import find_concept
from asteer_core.concepts.rows import JUDGE
from asteer_core.judges import DryRun, Rubric
from asteer_core.paths import concept_roots, data_root
from asteer_core.study.study import Study
from asteer_core.study.training_costs import CHARACTERS_PER_TOKEN

PROMPT_CHARACTERS = 200


def expected_judging(study: Study, responses: int, home: Path) -> DryRun | None:
    """Return what judging takes if nothing is cached, every reply reaches its limit and each is read at once; None where it costs nothing.

    Args:
        study: the study. responses: replies of all its concepts, baselines included.
        home: folder of the user's own concepts.

    Raises:
        ConfigError: no such concept, or a card that cannot be read.
    """
    kind = study.judge.build()
    each, characters = responses // len(study.concepts), PROMPT_CHARACTERS + CHARACTERS_PER_TOKEN * study.sampling.max_new_tokens
    found: list[DryRun] = []
    for concept in study.concepts:
        folder = find_concept(concept, concept_roots(home, data_root()))
        rubric = Rubric.of_card(read_card(folder / "concept.yaml"))
        costs = kind.expected(rubric, each + kind.tried_on(_rows(folder / JUDGE.name)), characters)
        if costs is None:
            return None
        found.append(costs)
    return sum(found[1:], found[0])


def _rows(file: Path) -> int:
    try:
        with file.open("rb") as lines:
            return sum(1 for line in lines if line.strip())
    except OSError:
        # What is wrong with a concept's files is said where they are read.
        return 0
