"""One of several processes on the same store. Arguments: role (write, read or publish), folder, seconds, number; prints JSON.

A writer writes partitions that other writers also write, each 100 rows that carry one stamp, and publishes now and then. A reader opens the
warehouse again and again and ends with an error if a partition shows a part of its rows, or rows of two writers.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from asteer_core.types import Configuration
from asteer_core.warehouse import Store, connect, publish, table
from asteer_core.warehouse.query import fetch

ROWS, KEYS = 100, 12
SQL = """
SELECT configuration_id, count(*) AS n, count(DISTINCT text) AS stamps, count(DISTINCT row_id) AS names FROM responses GROUP BY 1
HAVING n != 100 OR stamps != 1 OR names != 100
"""


def write(root: Path, seconds: float, number: int) -> dict:
    """Write for a while and return what was done."""
    store, rng = Store(root / "demo"), np.random.default_rng(number)
    writes, publications, partitions, until = 0, 0, set(), time.monotonic() + seconds
    while time.monotonic() < until:
        configuration = Configuration("toxicity", "tiny", "caa", 1, round(0.1 + 0.05 * int(rng.integers(KEYS)), 2))
        store.write("responses", frame(configuration, f"{number}-{writes}"), "k", "toxicity", configuration.key)
        partitions.add(f"toxicity/{configuration.key}")
        writes += 1
        if writes % 25 == 0:
            publish({"demo": store.root}, root / "warehouse.duckdb")
            publications += 1
    return {"writes": writes, "publications": publications, "partitions": sorted(partitions)}


def frame(configuration: Configuration, stamp: str) -> pl.DataFrame:
    """Return the rows of a partition, all with one stamp."""
    given = {"study": "demo", "concept": "toxicity", "configuration_id": configuration.id, "model": "tiny", "text": stamp}
    schema = table("responses").polars_schema
    rows = [{**dict.fromkeys(schema), **given, "row_id": f"{configuration.id}/{row}"} for row in range(ROWS)]
    return pl.DataFrame(rows, schema=schema)


def read(root: Path, seconds: float, number: int) -> dict:
    """Read for a while and return how often, and the longest it took."""
    reads, worst, until = 0, 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        with connect(root / "warehouse.duckdb") as connection:
            broken = fetch(connection, SQL)
        worst = max(worst, time.monotonic() - began)
        reads += 1
        if not broken.is_empty():
            sys.exit(f"a reader saw {broken}")
    return {"reads": reads, "worst": worst}


def main(role: str, root: str, seconds: str, number: str) -> None:
    """Play a role."""
    if role == "publish":
        publish({"demo": Path(root) / "demo"}, Path(root) / "warehouse.duckdb")
        return
    print(json.dumps({"write": write, "read": read}[role](Path(root), float(seconds), int(number))))


if __name__ == "__main__":
    main(*sys.argv[1:])
