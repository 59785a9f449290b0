"""Turns what a stage finished into Dagster events: one materialisation per finished partition, also when the body fails.

What does not belong here: the work of a stage, and how metadata looks (`presentation`).

Why it is not left to Dagster: when a body raises, Dagster records none of the run's partitions although their files exist. So the
finished ones are logged before the error travels on (termination included). On success Dagster itself writes one event per
partition, and logging too would double them; there the metadata is attached instead.
"""

from collections.abc import Iterable

import dagster as dg

from asteer_core.errors import AsteerError
from asteer_core.faults import is_exhaustion, is_transient
from asteer_core.study import Done
from asteer_pipeline.presentation import describe

SHOWN_FAILURES = 20
FAILED_PARTITIONS = "failed partitions"
"""Metadata of a failure after which the other partitions are stored, so that later stages can go on with them."""
RETRIES = 3
FIRST_WAIT_SECONDS = 15.0
"""Faults of disk and network are tried again after 15, 30 and 60 seconds; an error that somebody must fix is not."""


def record(context: dg.AssetExecutionContext, work: Iterable[Done]) -> None:
    """Run `work` to its end and record every partition it yields, exactly once.

    Raises:
        dagster.Failure: the core reported an error that a user can fix, or `work` ended without some partition it was asked for.
    """
    finished: dict[str | None, dict[str, dg.MetadataValue]] = {}
    try:
        for done in work:
            finished[partition_key(context, done)] = describe(done)
        _check_complete(context, finished)
    except BaseException as error:
        if is_transient(error) and context.retry_number < RETRIES:
            # Not recorded here: the next attempt adopts what is finished, and says so once.
            context.log.warning(f"a fault that may pass ({type(error).__name__}); attempt {context.retry_number + 2} follows")
            raise dg.RetryRequested(RETRIES, FIRST_WAIT_SECONDS * 2**context.retry_number) from error
        for key, metadata in finished.items():
            context.log_event(dg.AssetMaterialization(context.asset_key, metadata=metadata, partition=key, tags=_tags(key)))
        if isinstance(error, AsteerError):
            raise _failure(error, len(finished)) from error
        if is_exhaustion(error):
            raise _failure(_without_memory(context, error), len(finished)) from error
        raise
    for key, metadata in finished.items():
        context.add_asset_metadata(metadata, partition_key=key)


def partition_key(context: dg.AssetExecutionContext, done: Done) -> str | None:
    """Return the Dagster key of a finished partition; None for an asset without partitions."""
    definition = context.assets_def.partitions_def
    if definition is None:
        return None
    if not isinstance(definition, dg.MultiPartitionsDefinition):
        return done.concept
    other = next(name for name in definition.partition_dimension_names if name != "concept")
    return dg.MultiPartitionKey({"concept": done.concept, other: str(done.key)})


def _tags(key: str | None) -> dict[str, str]:
    if key is None or not isinstance(key, dg.MultiPartitionKey):
        return {}
    return {f"dagster/partition/{dimension}": value for dimension, value in key.keys_by_dimension.items()}


def _check_complete(context: dg.AssetExecutionContext, finished: dict[str | None, dict[str, dg.MetadataValue]]) -> None:
    asked = list(context.partition_keys) if context.has_partition_key or context.has_partition_key_range else [None]
    missing = [str(key) for key in asked if key not in finished]
    if missing:
        raise AsteerError(
            f"{context.asset_key.to_user_string()}: the stage ended without {len(missing)} of {len(asked)} partitions, "
            f"such as {missing[0]!r}, and without saying why; materialise them again, and report this if it happens twice"
        )


def _without_memory(context: dg.AssetExecutionContext, error: BaseException) -> AsteerError:
    return AsteerError(
        f"{context.asset_key.to_user_string()}: memory ran out ({type(error).__name__}: {str(error)[:200]}); close what else uses the "
        "machine or its device, or take a smaller model, dtype or batch, then run again: what was finished is kept"
    )


def _failure(error: AsteerError, kept: int) -> dg.Failure:
    failures: dict[tuple[str, str | None], str] = getattr(error, "failures", None) or {}
    metadata: dict[str, dg.MetadataValue] = {"finished partitions (kept)": dg.MetadataValue.int(kept)}
    if failures:
        lines = [f"{concept}|{key}: {message}" for (concept, key), message in list(failures.items())[:SHOWN_FAILURES]]
        metadata[FAILED_PARTITIONS] = dg.MetadataValue.int(len(failures))
        metadata["failures"] = dg.MetadataValue.text("\n".join(lines))
    # A wrong file or option does not heal by itself, so a retry policy must not run it again.
    return dg.Failure(description=str(error), metadata=metadata, allow_retries=False)
