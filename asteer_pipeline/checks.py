"""Asset checks."""

import dagster as dg


def build_checks() -> list[dg.AssetChecksDefinition]:
    """Return every check of the pipeline."""
    return []
