"""Runs every benchmark, one after the other."""

from __future__ import annotations

from benchmarks import (
    definitions,
    detectors,
    diasafety,
    exchange,
    extraction,
    fleet,
    generation,
    growth,
    metrics,
    optimise,
    peers,
    warehouse,
)
from benchmarks._table import quick

if __name__ == "__main__":
    small = quick(__doc__)
    for module in (generation, extraction, peers, exchange, growth, metrics, warehouse, optimise, definitions, detectors, diasafety, fleet):
        module.main(small)
