"""What a stage says of one finished partition, and how failures of some partitions let the others go on."""

from dataclasses import dataclass, field
from typing import Any

from asteer_core.errors import AsteerError
from asteer_core.faults import is_transient


@dataclass(frozen=True)
class Done:
    """One finished partition.

    Attributes:
        concept: the concept, or '' for an unpartitioned stage.
        key: model, vector or configuration key; None where the stage is partitioned by concept alone or not at all.
        rows: rows written.
        reused: a stored result computed from the same inputs was found and kept.
        metadata: figures to show beside the partition.
        samples: a few rows with generated text, which is untrusted: escape it wherever it is shown.
        pictures: title -> PNG.
        curve: a small picture as data: {"x": [...], "y": [...], "label": ...}.
    """

    concept: str
    key: str | None
    rows: int
    reused: bool = False
    metadata: dict[str, int | float | str | None] = field(default_factory=dict)
    samples: tuple[dict[str, Any], ...] = ()
    curve: dict[str, Any] | None = None
    pictures: dict[str, bytes] = field(default_factory=dict)


class PartialFailure(AsteerError):
    """Some partitions failed; the others are stored.

    Attributes:
        failures: (concept, key) -> what went wrong there.
        transient: whether one of them was a fault that may pass by itself.
    """

    def __init__(self, stage: str, failures: dict[tuple[str, str | None], str], transient: bool = False) -> None:
        self.failures = failures
        self.transient = transient
        lines = [f"{concept}{f', {key}' if key else ''}: {message}" for (concept, key), message in failures.items()]
        super().__init__(f"{stage}: {len(failures)} partitions failed, the others are stored:\n  " + "\n  ".join(lines))


class Failures:
    """Collects the failures of a stage, so that one broken partition does not stop the rest."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._found: dict[tuple[str, str | None], str] = {}
        self._transient = False

    def add(self, concept: str, key: str | None, error: AsteerError) -> None:
        """Note that one partition failed."""
        self._found[concept, key] = str(error)
        self._transient |= is_transient(error)

    def raise_if_any(self) -> None:
        """Raise what was collected.

        Raises:
            PartialFailure: at least one partition failed.
        """
        if self._found:
            raise PartialFailure(self._stage, self._found, self._transient)
