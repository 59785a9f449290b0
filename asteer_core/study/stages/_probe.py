"""The texts on which pushes are measured: held-out pairs of a concept, the same ones for every configuration."""

from collections.abc import Sequence

import polars as pl

from asteer_core.study.workspace import Workspace
from asteer_core.types import Intervention

PROBE_TEXTS = 16
"""Held-out compliant replies on which the KL divergence of a configuration is measured."""


def divergences(ws: Workspace, concept: str, model: str, interventions: Sequence[Intervention]) -> list[float]:
    """Return the mean per-token KL (nats) of each intervention from the unsteered model on the probe texts."""
    from asteer_core.model import mean_kls

    probe = ws.concept(concept).pairs.filter(pl.col("split") == "extraction_heldout").head(PROBE_TEXTS)
    return mean_kls(ws.model(model), probe["prompt"].to_list(), probe["compliant"].to_list(), interventions)
