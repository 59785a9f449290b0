"""The frame of every partitioned stage: adopt what is stored and current, make the rest, report each partition once.

What another run is making at this moment is waited for and adopted, not made a second time.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from asteer_core.errors import AsteerError, StoreError
from asteer_core.study.done import Done, Failures
from asteer_core.study.plan import steered
from asteer_core.study.stages._resolution import void_reason
from asteer_core.study.workspace import Workspace
from asteer_core.types import Configuration
from asteer_core.warehouse.files import is_present
from asteer_core.warehouse.schemas import table as declared
from asteer_core.warehouse.store import UNPARTITIONED

Partition = tuple[str, str | None]
Frames = Mapping[str, pl.DataFrame]
LOOK_SECONDS = 1.0
"""How often a waiting run looks whether the other one has finished."""


@dataclass(frozen=True)
class Stage:
    """How one stage makes its partitions.

    Attributes:
        name: stage and asset name.
        table: the table whose file marks a partition as finished; it is written last.
        content_key: (workspace, concept, key) -> hash of everything the partition is computed from.
        produce: (workspace, partitions, failures) -> (partition, its tables) as they finish; broken partitions go to failures.
        summarise: (stored frame) -> fields of `Done` beyond partition and rows.
        artifact: (workspace, concept, key) -> a file that belongs to the partition beside its tables.
        beside: (workspace, concept, key) -> further fields of `Done`, from elsewhere than the stage's own table.
        tables: the tables of a void partition, one whose dials the study could not resolve: they are written without results.
    """

    name: str
    table: str
    content_key: Callable[[Workspace, str, str | None], str]
    produce: Callable[[Workspace, list[Partition], Failures], Iterator[tuple[Partition, Frames]]]
    summarise: Callable[[pl.DataFrame], dict[str, Any]] = lambda frame: {}
    artifact: Callable[[Workspace, str, str | None], Path] | None = None
    beside: Callable[[Workspace, str, str | None], dict[str, Any]] | None = None
    tables: tuple[str, ...] = ()

    def run(self, ws: Workspace, partitions: Iterable[Partition]) -> Iterator[Done]:
        """Yield a `Done` for each partition, stored ones first.

        Raises:
            PartialFailure: some partitions failed; raised after all the others are stored and yielded.
        """
        failures, keys = Failures(self.name), {}
        todo: list[Partition] = []
        for partition in partitions:
            try:
                keys[partition] = self.content_key(ws, *partition)
            except AsteerError as error:
                failures.add(*partition, error)
                continue
            if self._stored(ws, partition) == keys[partition]:
                yield self._done(ws, partition, reused=True)
            else:
                todo.append(partition)
        if todo:
            yield from self._share(ws, todo, keys, failures)
        failures.raise_if_any()

    def current(self, ws: Workspace, partition: Partition) -> bool:
        """Return whether the stored result of a partition is there and computed from what its inputs are now."""
        try:
            return self._stored(ws, partition) == self.content_key(ws, *partition)
        except AsteerError:
            return False

    def _share(self, ws: Workspace, todo: list[Partition], keys: Mapping[Partition, str], failures: Failures) -> Iterator[Done]:
        """Make those of `todo` that no other run is making, and adopt the others as they are finished there."""
        with ws.store.leases() as leases:
            while todo:
                waiting, mine = [], []
                for partition in todo:
                    if not leases.acquire(self.name, *_named(partition)):
                        waiting.append(partition)
                    elif self._stored(ws, partition) == keys[partition]:
                        leases.release(self.name, *_named(partition))
                        yield self._done(ws, partition, reused=True)
                    else:
                        mine.append(partition)
                for partition in self._make(ws, mine, keys, failures):
                    leases.release(self.name, *_named(partition))
                    yield self._done(ws, partition, reused=False)
                for partition in mine:
                    leases.release(self.name, *_named(partition))
                if waiting and not mine:
                    holder = leases.holder(self.name, *_named(waiting[0]))
                    ws.report(self.name, 0, len(waiting), f"waiting for {len(waiting)} partitions that another run makes ({holder})")
                    time.sleep(LOOK_SECONDS)
                todo = waiting

    def _make(self, ws: Workspace, mine: list[Partition], keys: Mapping[Partition, str], failures: Failures) -> Iterator[Partition]:
        for partition, frames in self._frames(ws, mine, failures) if mine else ():
            for table, frame in sorted(frames.items(), key=lambda item: item[0] == self.table):
                ws.store.write(table, frame, keys[partition], *partition)
            yield partition

    def _frames(self, ws: Workspace, mine: list[Partition], failures: Failures) -> Iterator[tuple[Partition, Frames]]:
        wanted = []
        for partition in mine:
            try:
                reason = void_reason(ws, *partition) if self.tables else None
            except AsteerError as error:
                failures.add(*partition, error)
                continue
            if reason:
                yield partition, void_frames(ws, *partition, reason, self.tables)
            else:
                wanted.append(partition)
        yield from self.produce(ws, wanted, failures)

    def _stored(self, ws: Workspace, partition: Partition) -> str | None:
        # A table row whose artifact somebody deleted is not a result.
        if self.artifact and not is_present(self.artifact(ws, *partition)):
            return None
        return ws.store.content_key(self.table, *partition)

    def _done(self, ws: Workspace, partition: Partition, *, reused: bool) -> Done:
        frame = ws.store.read(self.table, *partition)
        if frame.is_empty():
            return Done(*partition, rows=0, reused=reused, metadata={"reason": void_reason(ws, *partition)})
        said = self.summarise(frame)
        more = self.beside(ws, *partition) if self.beside else {}
        metadata = {**said.get("metadata", {}), **more.get("metadata", {})}
        return Done(*partition, rows=frame.height, reused=reused, **{**said, **more, "metadata": metadata})


def _named(partition: Partition) -> tuple[str, str]:
    return partition[0], partition[1] or UNPARTITIONED


def upstream(ws: Workspace, table: str, concept: str, key: str | None) -> str:
    """Return the content key of a stored input.

    Raises:
        StoreError: it is not there; the message says what to materialise.
    """
    found = ws.store.content_key(table, concept, key)
    if found is None:
        raise StoreError(
            f"its input {table} ({concept}{f', {key}' if key else ''}) is not there; materialise it first, or run the whole study"
        )
    return found


def identity(ws: Workspace, configuration: Configuration) -> dict[str, pl.Expr]:
    """Return the columns that every row of a configuration carries, as literals."""
    return {
        "study": pl.lit(ws.study.name),
        "concept": pl.lit(configuration.concept),
        "configuration_id": pl.lit(configuration.id),
        "model": pl.lit(configuration.model),
        "method": pl.lit(configuration.method),
        "layer": pl.lit(configuration.layer, pl.Int64),
        "strength": pl.lit(configuration.strength, pl.Float64),
        "template": pl.lit(configuration.template, pl.String),
        "seed": pl.lit(configuration.seed, pl.Int64),
    }


IDENTITY = ("study", "concept", "configuration_id", "model", "method", "layer", "strength", "template", "seed")


def tag(ws: Workspace, configuration: Configuration, frame: pl.DataFrame) -> pl.DataFrame:
    """Return `frame` with the identity columns in front."""
    return frame.with_columns(**identity(ws, configuration)).select(*IDENTITY, *frame.columns)


def void_frames(ws: Workspace, concept: str, key: str | None, reason: str, tables: tuple[str, ...]) -> Frames:
    """Return the tables of a partition that has no results: a row with the reason where a table has a column for it, else no row."""
    row = pl.DataFrame({"reason": [reason]}).with_columns(**identity(ws, steered(ws.study, concept, str(key)))).row(0, named=True)
    row |= dict.fromkeys(("n", "n_tokens", "steered_tokens"), 0)
    frames = {}
    for name in tables:
        schema = declared(name).polars_schema
        rows = [{column: row[column] for column in schema if column in row}] if "reason" in schema else []
        frames[name] = pl.DataFrame(rows, schema=schema)
    return frames


def by_configuration(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield (configuration id, its rows) in the order of first appearance."""
    for (name,), rows in frame.group_by("configuration_id", maintain_order=True):
        yield str(name), rows
