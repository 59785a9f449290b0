"""What a sentence of the report is made of: the shape that answers and cautions share. Which sentence a number becomes is not here."""

from dataclasses import dataclass
from typing import Literal

Tone = Literal["good", "bad", "calm"]


@dataclass(frozen=True)
class Choice:
    """The configuration to take for one concept, with its AUROC and its difference to prompting, both with intervals, as text."""

    concept: str
    configuration: str
    auroc: str
    difference: str


@dataclass(frozen=True)
class Statement:
    """One finding: a short verdict and the sentences behind it; the question that it answers, and the configurations that it names."""

    verdict: str
    text: str
    tone: Tone
    question: str = ""
    choices: tuple[Choice, ...] = ()

    @property
    def name(self) -> str:
        """The question, or the verdict where nothing was asked: what a list of findings is ordered by."""
        return self.question or self.verdict

    @property
    def told(self) -> str:
        """What there is to say under that name, as plain text."""
        named = [f"{item.concept}: {item.configuration}, AUROC {item.auroc}, to prompting {item.difference}." for item in self.choices]
        return " ".join([f"{self.verdict}. {self.text}" if self.question else self.text, *named])
