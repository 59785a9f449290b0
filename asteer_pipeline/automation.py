"""Declarative automation: conditions under which Dagster makes an asset by itself. The sensors that evaluate them ship stopped.

What does not belong here: the arrival of models and regeneration, which go step by step (`sensors`).
"""

import os

import dagster as dg


def is_on() -> bool:
    """Return whether sensors and schedules start with the deployment (ASTEER_AUTOMATION=on) or wait to be turned on."""
    return os.environ.get("ASTEER_AUTOMATION", "").lower() in ("on", "1", "true", "yes")


def sensor_default() -> dg.DefaultSensorStatus:
    """Return the state in which a sensor ships."""
    return dg.DefaultSensorStatus.RUNNING if is_on() else dg.DefaultSensorStatus.STOPPED


def fill() -> dg.AutomationCondition:
    """Return the condition of partitioned stages: whatever is missing is made once its inputs are there, unless it failed.

    Not `on_missing` or `eager`: those pass over partitions that were missing already when they were first evaluated.
    """
    condition = dg.AutomationCondition
    return (
        condition.missing()
        & ~condition.any_deps_missing()
        & ~condition.any_deps_in_progress()
        & ~condition.in_progress()
        & ~condition.execution_failed()
    ).with_label("missing and ready")


def follow() -> dg.AutomationCondition:
    """Return the condition of the results over the whole study: made again when something they read was made."""
    return dg.AutomationCondition.eager()


def build_automation_sensors() -> list[dg.AutomationConditionSensorDefinition]:
    """Return the two sensors that evaluate the conditions: one fills what is missing, one keeps the results current."""
    groups = dg.AssetSelection.groups("analysis", "warehouse")
    stopped = dg.DefaultSensorStatus.STOPPED
    return [
        dg.AutomationConditionSensorDefinition(
            "fill_what_is_missing",
            target=dg.AssetSelection.all() - groups,
            default_status=stopped,
            description="Makes every missing partition whose inputs are there; it asks for all of them, so turn it on knowingly.",
        ),
        dg.AutomationConditionSensorDefinition(
            "keep_results_current",
            target=groups,
            default_status=stopped,
            description="Makes leaderboard, correlations and warehouse again whenever something they read was made.",
        ),
    ]
