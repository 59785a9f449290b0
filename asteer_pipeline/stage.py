"""The decorator all assets share: the house's policies in one place.

What does not belong here: single assets (one file each in `assets`), recording, partitions, how columns are shown (`columns`).
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from asteer_core.study.state import version_of
from asteer_pipeline.automation import fill, follow
from asteer_pipeline.beta import accepted_beta
from asteer_pipeline.columns import column_metadata
from asteer_pipeline.engines import gpu_tags

Wire = Callable[[Callable[..., None]], dg.AssetsDefinition]

GPU = "gpu"
"""The pool of the stages that load a language model. Its limit (1 in the shipped instance) is the number of runs that may hold a GPU."""


def stage(
    group: str,
    kinds: set[str],
    partitions: dg.PartitionsDefinition | None = None,
    deps: Sequence[str | dg.AssetDep] = (),
    tables: Sequence[str] = (),
    gpu: bool = False,
    **options: Any,
) -> Wire:
    """Return the decorator of one stage: its group and kinds, and one run for all partitions that are asked for together.

    One run loads a model once and mixes the rows of many configurations in a batch, so a run per partition would waste both.

    Args:
        group: group in the graph.
        kinds: what it works with; shown as badges.
        partitions: its partition definition; None for a stage over the whole study.
        deps: the stages it reads.
        tables: declared tables that it writes, the main one first; their columns are shown.
        gpu: whether it loads a language model.
    """

    def wire(body: Callable[..., None]) -> dg.AssetsDefinition:
        with accepted_beta():
            return dg.asset(
                group_name=group,
                kinds=kinds,
                partitions_def=partitions,
                deps=list(deps),
                backfill_policy=dg.BackfillPolicy.single_run() if partitions is not None else None,
                automation_condition=fill() if partitions is not None else follow(),
                code_version=version_of(body.__name__),
                owners=[os.environ.get("ASTEER_OWNER") or "team:asteer"],
                metadata=column_metadata(tables, [dep if isinstance(dep, str) else dep.asset_key.to_user_string() for dep in deps]),
                pool=GPU if gpu else None,
                op_tags=gpu_tags() if gpu else None,
                **options,
            )(body)

    return wire
