"""The graph of the pipeline as text, one block per asset, so that a change of it can be read in a diff.

    python -m asteer_pipeline.graph tests/pipeline/mini.yaml > tests/golden/asset_graph.txt

What does not belong here: building the graph (`definitions`).
"""

import sys
from collections.abc import Iterator

import dagster as dg

from asteer_pipeline.definitions import build_defs


def describe_graph(defs: dg.Definitions) -> str:
    """Return every asset, check, job, sensor and schedule of `defs`, sorted, as text."""
    return "\n".join([*_assets(defs), *_checks(defs), *_machinery(defs)]) + "\n"


def _assets(defs: dg.Definitions) -> Iterator[str]:
    graph = defs.resolve_asset_graph()
    pools = {key: asset.op.pool for asset in defs.assets or () if isinstance(asset, dg.AssetsDefinition) for key in asset.keys}
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        yield f"asset {key.to_user_string()}"
        yield f"  group {node.group_name}; kinds {', '.join(sorted(node.kinds))}; pool {pools.get(key)}"
        yield f"  partitions {_partitions(node.partitions_def)}; {_policy(node.backfill_policy)}"
        condition = node.automation_condition
        yield f"  automation: {condition.get_label() if condition else None}"
        for parent in sorted(node.parent_keys):
            mapping = node.partition_mappings.get(parent)
            yield f"  reads {parent.to_user_string()}{f' by {_mapping(mapping)}' if mapping else ''}"
        tables = [str(node.metadata[name]) for name in ("dagster/table_name",) if name in node.metadata]
        tables += [name.removeprefix("columns of ") for name in node.metadata if name.startswith("columns of ")]
        yield f"  writes {', '.join(tables) or 'no table'}"
        yield f"  {(node.description or '').splitlines()[0]}"


def _checks(defs: dg.Definitions) -> Iterator[str]:
    for check in defs.asset_checks or ():
        for spec in check.check_specs if isinstance(check, dg.AssetChecksDefinition) else ():
            blocks = " (blocks what follows)" if spec.blocking else ""
            yield f"check {spec.asset_key.to_user_string()}: {spec.name}{blocks}"


def _machinery(defs: dg.Definitions) -> Iterator[str]:
    repository = defs.get_repository_def()
    for job in sorted(repository.get_all_jobs(), key=lambda job: job.name):
        if not job.name.startswith("__"):
            made = sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
            yield f"job {job.name}: {', '.join(made) or 'no asset'}"
    for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name):
        yield f"sensor {sensor.name}: {sensor.default_status.value.lower()}, every {sensor.minimum_interval_seconds} s"
    for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name):
        yield f"schedule {schedule.name}: {schedule.default_status.value.lower()}, {schedule.cron_schedule}"


def _partitions(definition: dg.PartitionsDefinition | None) -> str:
    if definition is None:
        return "none"
    if isinstance(definition, dg.MultiPartitionsDefinition):
        return " x ".join(definition.partition_dimension_names)
    return "concept"


def _policy(policy: dg.BackfillPolicy | None) -> str:
    return "one run for all" if policy == dg.BackfillPolicy.single_run() else str(policy)


def _mapping(mapping: dg.PartitionMapping) -> str:
    if isinstance(mapping, dg.MultiPartitionMapping):
        found = mapping.downstream_mappings_by_upstream_dimension.items()
        return ", ".join(f"{upstream} -> {child.dimension_name} ({type(child.partition_mapping).__name__})" for upstream, child in found)
    return type(mapping).__name__


if __name__ == "__main__":
    sys.stdout.write(describe_graph(build_defs(sys.argv[1] if len(sys.argv) > 1 else None)))
