"""How a detector looks on a terminal: its card, its thresholds, its quality on a test set. Not here: the commands (`detect.py`)."""

import json
from collections.abc import Mapping

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text

from asteer_core.detectors import MEASURES, threshold
from asteer_core.detectors.cards import readme
from asteer_core.detectors.persistence import Saved
from asteer_core.errors import AsteerError
from asteer_pipeline.cli.terminal import number, printable

RATES = (0.0, 0.01, 0.05, 0.1)
NAMES = {
    "auroc": "AUROC", "auprc": "AUPRC", "tpr_at_1_fpr": "TPR at 1 % FPR", "ece_15": "calibration error", "brier": "Brier score",
    "fpr": "negatives flagged", "tpr": "positives flagged",
}  # fmt: skip


def thresholds(saved: Saved) -> list[dict[str, float | int | None]]:
    """Return the thresholds of a few false-positive rates, those that the stored negatives can show."""
    found = []
    for rate in RATES:
        try:
            found.append(threshold(saved, rate))
        except AsteerError:  # so few negatives cannot show this rate, or there are none
            continue
    return found


def shown_card(saved: Saved, as_json: bool) -> str:
    """Return the card and the thresholds, as text or JSON."""
    chosen = thresholds(saved)
    if as_json:
        return json.dumps({**saved.card.model_dump(mode="json"), "thresholds": chosen}, indent=2)
    text = readme(saved.card).split("---\n", 2)[-1].strip()
    lines = ["", "## Thresholds", ""]
    for row in chosen:
        caught = "" if row["tpr"] is None else f", {row['tpr']:.1%} of positives"
        lines.append(
            f"- FPR {row['fpr']:g}: {row['threshold']:.4f} (flags {row['reached']:.2%} of {row['n_negatives']} negatives, 95 %: up to "
            f"{row['fpr_hi']:.2%}{caught})"
        )
    return printable("\n".join([text, *(lines if chosen else [*lines, "No validation scores are stored; choose one by --threshold."])]))


def quality_table(title: str, measures: Mapping[str, float | int | None]) -> Group:
    """Return the measures of a test set with their intervals."""
    table = Table(box=SIMPLE)
    table.add_column("")
    table.add_column("value", justify="right")
    table.add_column("95 %", justify="right")
    for name in (*MEASURES, "fpr", "tpr"):
        if name in measures:
            lo, hi = (number(measures.get(f"{name}_{end}"), 3) for end in ("lo", "hi"))
            table.add_row(NAMES[name], number(measures[name], 3), f"{lo} to {hi}")
    counts = f"{measures.get('n_positive')} positive and {measures.get('n_negative')} negative texts in {measures.get('n_groups')} groups"
    return Group(Text(printable(title), style="bold"), table, Text(counts))
