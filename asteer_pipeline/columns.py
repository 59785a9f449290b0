"""The columns of an asset's tables as Dagster shows them: types, meaning, units, and which column comes from where.

The one source is the warehouse's declarations (`asteer_core.warehouse.schemas`). What does not belong here: values.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from asteer_core.warehouse import Table
from asteer_core.warehouse import tables as declared

TABLES = {
    "contrastive_prompts": "contrastive_pairs",
    "steering_vectors": "steering_vectors",
    "judges": "judges",
    "steered_corpora": "responses",
    "baseline_corpora": "responses",
    "measurements": "measurements",
    "baseline_measurements": "measurements",
    "leaderboard": "stored.leaderboard",
}
"""Upstream asset -> the table of it that others read columns from."""


def column_metadata(tables: Sequence[str], upstream: Sequence[str]) -> dict[str, Any]:
    """Return the metadata of an asset that writes `tables` (the main one first) and reads `upstream`; none where it writes no table."""
    if not tables:
        return {}
    first, *others = tables
    known = declared()
    metadata: dict[str, Any] = {"dagster/column_schema": schema(known[first]), "dagster/table_name": first}
    metadata |= {f"columns of {name}": schema(known[name]) for name in others}
    lineage = {
        column.name: [
            dg.TableColumnDep(dg.AssetKey(asset), column.name)
            for asset in upstream
            if asset in TABLES and any(source.name == column.name for source in known[TABLES[asset]].columns)
        ]
        for column in known[first].columns
    }
    found = {name: sources for name, sources in lineage.items() if sources}
    if found:
        metadata["dagster/column_lineage"] = dg.TableColumnLineage(found)
    return metadata


def schema(table: Table) -> dg.TableSchema:
    """Return a declared table as Dagster's schema: a key column may not be NULL."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name, column.kind, column.comment, constraints=dg.TableColumnConstraints(nullable=not column.key, unique=False)
            )
            for column in table.columns
        ]
    )
