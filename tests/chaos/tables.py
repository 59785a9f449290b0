"""All rows of a warehouse, so that two can be compared."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from asteer_core.warehouse import connect, query, tables
from asteer_core.warehouse.query import fetch

LOGBOOK = ("runs", "run_partitions", "about")
"""Tables that say when and by whom; every other one says what."""

MADE = "SELECT stage, concept, partition, rows FROM run_partitions WHERE concept != '' ORDER BY ALL"


def made(warehouse: Path) -> pl.DataFrame:
    """Return stage, concept, partition and rows of every time that a run made a partition, sorted; what it adopted is not among them."""
    return query(MADE, warehouse)


def rows(warehouse: Path, where: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the sorted rows of every table and view but the logbook, as text; times of day are left out. `where`: table -> condition."""
    chosen = {"partitions": f"table_name NOT IN {LOGBOOK}"}
    for name, condition in where.items():
        chosen[name] = " AND ".join([*([chosen[name]] if name in chosen else []), condition])
    found = {}
    with connect(warehouse) as connection:
        for name in tables():
            if name not in LOGBOOK:
                frame = fetch(connection, f"FROM {name}" + (f" WHERE {chosen[name]}" if name in chosen else ""))
                found[name] = sorted(map(str, frame.select(pl.exclude(pl.Datetime)).rows()))
    return found


def differences(one: Path, other: Path, where: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return, by table, the first row that only one of the two has; paths under each home count as the same.

    `where`: table -> the condition on rows that are compared; of other tables all are.
    """
    left, right = rows(one, where or {}), rows(other, where or {})
    found = {}
    for name in left:
        mine = [row.replace(str(one.parent), "HOME") for row in left[name]]
        theirs = [row.replace(str(other.parent), "HOME") for row in right[name]]
        if mine != theirs:
            only = [row for row in mine if row not in set(theirs)] + [row for row in theirs if row not in set(mine)]
            found[name] = f"{len(mine)} and {len(theirs)} rows; first: {only[:1]}"
    return found
