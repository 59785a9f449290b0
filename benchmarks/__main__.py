"""Runs every benchmark, one after the other."""

from __future__ import annotations

from benchmarks import (
    definitions,
    detectors,
    diasafety,
    estimates,
    exchange,
    extraction,
    fine_tuning,
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
    models = (generation, extraction, peers, exchange, growth)
    for module in (*models, metrics, warehouse, optimise, definitions, detectors, fine_tuning, diasafety, estimates, fleet):
        module.main(small)
