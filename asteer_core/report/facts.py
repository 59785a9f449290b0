"""What a report says, as frames: every number is read from the warehouse, none is computed here.

Belongs here: the queries. Does not: how a number is worded (`headline.py`) or drawn (`figures/`).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from asteer_core.errors import StoreError, unknown_name
from asteer_core.report.bounds import PANELS, drawn_configurations, said, spread
from asteer_core.warehouse import connect
from asteer_core.warehouse.query import explain, fetch

POOLED = "pooled"

_QUERIES = {
    "board": """
        SELECT board.*, corpus.hm_sc_lo, corpus.hm_sc_hi
        FROM leaderboard AS board LEFT JOIN corpus_metrics AS corpus USING (study, configuration_id)
        WHERE study = $study ORDER BY detector, board.concept, auroc DESC NULLS LAST, configuration_id
    """,
    "beats": "FROM beats_prompting WHERE study = $study ORDER BY detector, concept = 'pooled', concept",
    "correlations": "FROM metric_auroc_correlation WHERE study = $study ORDER BY detector, concept = 'pooled', concept, metric",
    "bands": "FROM narrow_band WHERE study = $study ORDER BY detector, concept = 'pooled', concept, metric, tercile",
    "regret": "FROM regret WHERE study = $study ORDER BY detector, concept, model, rule",
    "vectors": "FROM steering_vectors WHERE study = $study ORDER BY concept, model, method, layer",
    "audits": "FROM audit_flags WHERE study = $study ORDER BY detector, concept = 'pooled', concept, audit, arm",
    "judges": "FROM judges WHERE study = $study ORDER BY concept",
    "concepts": "FROM concepts WHERE study = $study ORDER BY concept",
    "models": "FROM models WHERE study = $study ORDER BY model",
    "studies": "FROM studies WHERE study = $study",
    "about": "FROM about WHERE study = $study",
    "stages": """
        SELECT stage, count(*) AS times, sum(seconds) AS seconds, sum(partitions - reused) AS made, max(peak_memory) / 1e6 AS peak_mb
        FROM runs WHERE study = $study GROUP BY stage ORDER BY min(started_at)
    """,
}

_SAMPLES = """
SELECT r.concept, r.configuration_id, r.prompt, r.text, m.success, m.coherence
FROM responses AS r LEFT JOIN response_metrics AS m ON m.study = r.study AND m.row_id = r.row_id AND m.concept = r.concept
WHERE r.study = $study AND r.concept = $concept AND list_contains($wanted, r.configuration_id)
    AND (m.concept = $concept OR m.concept IS NULL)
QUALIFY row_number() OVER (PARTITION BY r.configuration_id ORDER BY r.row_id) <= $each
ORDER BY r.configuration_id, r.row_id
"""


@dataclass(frozen=True)
class Facts:
    """One study as the warehouse has it; a frame per view or table, by its name in `_QUERIES`."""

    study: str
    frames: dict[str, pl.DataFrame]
    samples: pl.DataFrame

    @cached_property
    def detectors(self) -> tuple[str, ...]:
        """The detector kinds, the headline first."""
        kinds = self.frames["board"]["detector"].unique().sort().to_list()
        first = self.row("studies").get("headline_detector")
        return tuple(sorted(kinds, key=lambda kind: (kind != first, kind != "embedding", kind)))

    @cached_property
    def concepts(self) -> tuple[str, ...]:
        """The concepts that have a detector, sorted."""
        return concepts_of(self.frames["board"])

    @property
    def panels(self) -> list[str]:
        """The concepts that get a panel of their own: all of them where they are few."""
        return spread(self.concepts, PANELS)

    @cached_property
    def drawn(self) -> pl.DataFrame:
        """The steered configurations that figures and tables show: all of them where they are few."""
        return drawn_configurations(self.steered, self.detectors, self.concepts)

    @cached_property
    def steered(self) -> pl.DataFrame:
        """The steered configurations of the leaderboard."""
        return self.frames["board"].filter((pl.col("arm") == "steered") & (pl.col("strength") != 0).fill_null(True))

    def said_of_drawn(self, where: str = "") -> str:
        """Return the sentence that says how many configurations are shown and where the others are; empty where all are shown."""
        how = "of each concept the best by AUROC, and others evenly spaced down to the worst"
        sql = f"FROM leaderboard WHERE study = '{self.study}' AND arm = 'steered'"
        shown, total = (frame["configuration_id"].n_unique() for frame in (self.drawn, self.steered))
        return said(shown, total, "configurations", how, sql, where)

    def of(self, name: str, detector: str) -> pl.DataFrame:
        """Return the rows of one frame for one detector kind."""
        return self.frames[name].filter(pl.col("detector") == detector)

    def row(self, name: str) -> dict[str, Any]:
        """Return the only row of a frame, or an empty mapping where there is none."""
        return self.frames[name].row(0, named=True) if self.frames[name].height else {}


def gather(study: str, warehouse: Path | None = None, samples: int = 3) -> Facts:
    """Return what the warehouse says of a study; `samples` responses of each configuration that the gallery shows.

    Raises:
        ConfigError: the warehouse has no such study; the nearest is suggested.
        StoreError: there is no warehouse, the study has no detector yet, or a file behind a view is broken.
    """
    connection = connect(warehouse)
    try:
        known = fetch(connection, "SELECT study FROM about ORDER BY study")["study"].to_list()
        if study not in known:
            raise unknown_name("study of the warehouse", study, known)
        frames = {name: fetch(connection, sql, {"study": study}) for name, sql in _QUERIES.items()}
        if frames["board"]["auroc"].null_count() == frames["board"].height:
            raise StoreError(f"study {study!r} has no trained detector yet, so there is nothing to report; run `asteer study run {study}`")
        board = frames["board"]
        wanted = shown_configurations(board.filter(pl.col("concept").is_in(spread(concepts_of(board), PANELS))))
        parts = [
            fetch(connection, _SAMPLES, {"study": study, "concept": concept, "wanted": ids, "each": samples})
            for concept, ids in wanted.items()
        ]
    except Exception as error:
        raise explain(error) from error
    finally:
        connection.close()
    return Facts(study, frames, pl.concat(parts))


def concepts_of(board: pl.DataFrame) -> tuple[str, ...]:
    """Return the concepts of a leaderboard, sorted."""
    return tuple(board["concept"].unique().sort())


def shown_configurations(board: pl.DataFrame) -> dict[str, list[str]]:
    """Return concept -> configurations whose samples are shown: best AUROC, best HM, the best prompt, unsteered."""
    board = board.filter(pl.col("configuration_id").is_not_null())
    found = {}
    for concept in board["concept"].unique().sort():
        own = board.filter(pl.col("concept") == concept)
        picks = [
            own.filter(pl.col("arm") == arm)
            .sort(by, "configuration_id", descending=[True, False], nulls_last=True)["configuration_id"]
            .head(1)
            for arm, by in (("steered", "auroc"), ("steered", "hm"), ("prompted", "auroc"), ("unsteered", "auroc"))
        ]
        found[str(concept)] = list(dict.fromkeys(pl.concat(picks).to_list()))
    return found
