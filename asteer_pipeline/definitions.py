"""The pipeline's Dagster definitions: `build_defs(study)`, and `defs` for the study that ASTEER_STUDY names.

Nothing is computed here beyond reading the study's YAML; neither torch nor transformers is imported.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg

from asteer_core.paths import home as default_home
from asteer_core.study import load_study, plan
from asteer_core.study.depth import depth_under
from asteer_pipeline.alerts import build_alerts
from asteer_pipeline.assets import build_assets
from asteer_pipeline.automation import build_automation_sensors
from asteer_pipeline.checks import build_checks
from asteer_pipeline.engines import chosen_executor
from asteer_pipeline.hub import build_hub_sensors
from asteer_pipeline.jobs import build_jobs, build_steps
from asteer_pipeline.partitions import study_partitions
from asteer_pipeline.resources import WorkspaceResource
from asteer_pipeline.schedules import build_regeneration, build_schedules
from asteer_pipeline.sensors import build_sensors


def build_defs(study: str | None = None, resources: Mapping[str, Any] | None = None, home: Path | None = None) -> dg.Definitions:
    """Return the definitions over the partitions of one study.

    Args:
        study: name of a preset or path of a study file; None = the environment variable ASTEER_STUDY, else `quick`.
        home: where the user's own models and concepts are; None = the environment variable ASTEER_HOME, else `./.asteer`.
        resources: replacements by name, such as `{"workspace": WorkspaceResource(study=..., home=...)}`.

    Raises:
        ConfigError: the study cannot be read, a key cannot be a partition, or the engine that is asked for is not there.
    """
    root = home or default_home()
    read = load_study(study, root)
    loaded = plan(read, depth_under(root))
    parts = replace(study_partitions(loaded), judge_loads_model=read.judge.build().loads_model)
    assets = build_assets(parts)
    steps = build_steps(assets, parts)
    regeneration = build_regeneration(steps)
    return dg.Definitions(
        assets=assets,
        asset_checks=build_checks(),
        jobs=[*build_jobs(steps), regeneration],
        schedules=build_schedules(regeneration),
        sensors=[*build_sensors(study, loaded, steps), *build_automation_sensors(), *build_hub_sensors(), *build_alerts()],
        resources={"workspace": WorkspaceResource(study=study or ""), **(resources or {})},
        executor=chosen_executor(),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the default study; Dagster calls this when it loads the code location."""
    return build_defs()
