"""The decorator all assets share: the house's policies in one place.

What does not belong here: single assets (one file each in `assets`), recording, partitions.
"""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from asteer_pipeline.beta import accepted_beta

Wire = Callable[[Callable[..., None]], dg.AssetsDefinition]


def stage(
    group: str,
    kinds: set[str],
    partitions: dg.PartitionsDefinition | None = None,
    deps: Sequence[str | dg.AssetDep] = (),
    **options: Any,
) -> Wire:
    """Return the decorator of one stage: its group and kinds, and one run for all partitions that are asked for together.

    One run loads a model once and mixes the rows of many configurations in a batch, so a run per partition would waste both.
    """

    def wire(body: Callable[..., None]) -> dg.AssetsDefinition:
        with accepted_beta():
            return dg.asset(
                group_name=group,
                kinds=kinds,
                partitions_def=partitions,
                deps=list(deps),
                backfill_policy=dg.BackfillPolicy.single_run() if partitions is not None else None,
                **options,
            )(body)

    return wire
