"""The decorator of assets that no run of a whole study makes and no automation fills: one asks for them by name, with a configuration.

What does not belong here: the assets (one file each in `assets`), what may be configured (`product_config`), the stages (`stage`).
"""

from collections.abc import Sequence

import dagster as dg

from asteer_pipeline.beta import accepted_beta
from asteer_pipeline.columns import column_metadata
from asteer_pipeline.engines import gpu_tags
from asteer_pipeline.stage import GPU, Wire

GROUP = "product"


def on_demand(
    kinds: set[str],
    partitions: dg.PartitionsDefinition,
    version: int,
    deps: Sequence[str | dg.AssetDep] = (),
    tables: Sequence[str] = (),
    gpu: bool = False,
) -> Wire:
    """Return the decorator of one such asset; the arguments are those of `stage`, `version` that of its computation."""

    def wire(body):  # type: ignore[no-untyped-def]
        with accepted_beta():
            return dg.asset(
                group_name=GROUP,
                kinds=kinds,
                partitions_def=partitions,
                deps=list(deps),
                backfill_policy=dg.BackfillPolicy.single_run(),
                code_version=str(version),
                metadata=column_metadata(tables, [dep if isinstance(dep, str) else dep.asset_key.to_user_string() for dep in deps]),
                pool=GPU if gpu else None,
                op_tags=gpu_tags() if gpu else None,
            )(body)

    return wire
