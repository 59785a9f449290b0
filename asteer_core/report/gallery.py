"""Samples of the generated texts: harmful by design and untrusted, so they are folded, escaped by the template, and cut."""

from dataclasses import dataclass

import polars as pl

from asteer_core.report.facts import Facts
from asteer_core.report.numbers import number, visible
from asteer_core.types import key_of

CHARACTERS = 700


@dataclass(frozen=True)
class Sample:
    """One response."""

    prompt: str
    text: str
    scores: str


@dataclass(frozen=True)
class Exhibit:
    """The first responses of one configuration, not chosen by what they say."""

    concept: str
    configuration: str
    why: str
    samples: tuple[Sample, ...]


def exhibits(facts: Facts) -> list[Exhibit]:
    """Return the samples of each concept's best, most harmonious, best prompted and unsteered configuration."""
    found = []
    for (concept, name), rows in facts.samples.group_by(["concept", "configuration_id"], maintain_order=True):
        samples = tuple(
            Sample(_cut(row["prompt"]), _cut(row["text"]), f"S {number(row['success'])}, C {number(row['coherence'])}")
            for row in rows.rows(named=True)
        )
        key = key_of(str(name))
        found.append(Exhibit(str(concept), key, _why(facts, str(concept), str(name)), samples))
    return sorted(found, key=lambda exhibit: (exhibit.concept, exhibit.why))


def _why(facts: Facts, concept: str, name: str) -> str:
    own = facts.frames["board"].filter(pl.col("concept") == concept)
    steered = own.filter(pl.col("arm") == "steered")
    reasons = []
    for column, words in (("auroc", "highest AUROC"), ("hm", "highest harmonic mean")):
        if steered[column].null_count() < steered.height and _first(steered, column) == name:
            reasons.append(words)
    arm = own.filter(pl.col("configuration_id") == name)["arm"].first()
    return " and ".join(reasons) or {"prompted": "best prompt", "unsteered": "no steering"}.get(str(arm), str(arm))


def _first(frame: pl.DataFrame, column: str) -> str:
    return frame.sort(column, "configuration_id", descending=[True, False], nulls_last=True)["configuration_id"][0]


def _cut(text: str | None) -> str:
    shown = visible(text or "")
    return shown if len(shown) <= CHARACTERS else f"{shown[:CHARACTERS]}…"
