"""The figures of the report, in the order in which they argue. A new figure is one file with a `build(facts)`, named in ORDER."""

import importlib

from asteer_core.report.facts import Facts
from asteer_core.report.figures._figure import Figure

ORDER = (
    "difference_to_prompting", "predictors", "metric_against_auroc", "strength_curves", "heat_map", "narrow_band", "vectors", "audits",
)  # fmt: skip


def build_figures(facts: Facts) -> list[Figure]:
    """Return every figure of a study."""
    return [importlib.import_module(f"{__name__}.{name}").build(facts) for name in ORDER]
