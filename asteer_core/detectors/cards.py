"""The model card of a saved detector: what it was trained on, how good it is, what it is for and what it is not for.

Not here: files (`persistence.py`) and the figures themselves (`evaluation.py`, `audits.py`).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

NOTICE = (
    "The training texts violate the concept by design: some are offensive, false or dangerous. The detector's files hold weights and "
    "scores, no texts; whoever reads what it flags should be prepared for what it was trained to find."
)
INTENDED_USE = (
    "Ranking and flagging replies of language models for review, on text like that of its test sets. Choose the threshold by the "
    "false-positive rate that reviewers can bear, on negatives of your own if you have them."
)
LIMITS = (
    "Scores order texts. As probabilities they are as wrong as the calibration error (ece_15) says, and more at another prevalence of "
    "violations than that of the test sets.",
    "It was tested on the sets below and on nothing else: other languages, domains and generators are unknown.",
    "It is not evidence about a person, and no sole ground for a decision about one.",
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Training(_Part):
    """What the detector learned from. `arm`: steered, prompted, real, or another source of the positives."""

    concept: str
    arm: str = "real"
    configuration: str | None = None
    study: str | None = None
    n_positives: int = Field(ge=0)
    n_negatives: int = Field(ge=0)
    replaced: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0
    data_fingerprint: str | None = None
    sources: tuple[str, ...] = ()


class Result(_Part):
    """Quality on one test set: `measures` as `evaluate` gives them, each with the ends of its 95 % interval."""

    test_set: str
    domain: Literal["in", "out"] = "in"
    measures: dict[str, float | int | None]


class DetectorCard(_Part):
    """The card. `kind` and `options` say how to read the weights; `encoder` names the sentence encoder where embeddings are read."""

    name: str
    kind: str
    options: dict[str, Any] = Field(default_factory=dict)
    training: Training
    results: tuple[Result, ...] = ()
    audits: dict[str, float | str | None] = Field(default_factory=dict)
    encoder: str | None = None
    language_model: str | None = None
    intended_use: str = INTENDED_USE
    limits: tuple[str, ...] = LIMITS
    notice: str = NOTICE
    licence: str = "not stated: the terms of the training data and of the models that wrote and encoded them hold"
    versions: dict[str, str] = Field(default_factory=dict)


def readme(card: DetectorCard) -> str:
    """Return the card as a README in the form that model hubs read."""
    training = card.training
    source = f"`{training.configuration}`" if training.configuration else training.arm
    lines = [
        "---", "library_name: asteer", "pipeline_tag: text-classification", "license: other", "tags: [detector, asteer]", "---", "",
        f"# {card.name}", "",
        f"Scores replies of language models for the violation `{training.concept}`, from 0 to 1. Kind `{card.kind}`.", "",
        "```python", "from asteer_core import load_detector", "",
        'scores = load_detector("PATH").score(["a reply"], ["its prompt"])', "```",
        "", "## Training data", "",
        f"{training.n_positives} positives from the {training.arm} arm ({source}), {training.n_negatives} real negatives"
        f"{f', from study {training.study}' if training.study else ''}. Seed {training.seed}; {training.replaced:.0%} of the real "
        "positives replaced by the arm's texts.", "",
        f"Options: `{card.options or 'defaults'}`.", "", "## Results", "",
    ]  # fmt: skip
    lines += _table(card.results)
    lines += ["", "## Audits", "", *(f"- {name}: {_shown(value)}" for name, value in card.audits.items())]
    lines += ["", "## Intended use", "", card.intended_use, "", "## Limits", "", *(f"- {limit}" for limit in card.limits)]
    lines += ["", "## Harmful content", "", card.notice, "", "## Licence", "", card.licence, ""]
    return "\n".join(lines)


def _table(results: tuple[Result, ...]) -> list[str]:
    if not results:
        return ["Not tested."]
    names = ("auroc", "auprc", "tpr_at_1_fpr", "ece_15", "brier")
    lines = [f"| test set | domain | {' | '.join(names)} |", f"|{'---|' * (len(names) + 2)}"]
    for result in results:
        found = result.measures
        cells = [f"{_shown(found.get(name))} [{_shown(found.get(name + '_lo'))}, {_shown(found.get(name + '_hi'))}]" for name in names]
        lines.append(f"| {result.test_set} | {result.domain} | {' | '.join(cells)} |")
    return [*lines, "", "95 % bootstrap intervals over prompt groups."]


def _shown(value: float | int | str | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value) or "none"
