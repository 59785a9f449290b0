"""Asset checks: what must hold of stored results before anybody builds on them; one file per subject, listed nowhere.

What does not belong here: validation of inputs (the core refuses bad files before anything runs) and the formulas that are checked.

A file of this package has a `build()` that returns its checks, made by `_check.check` from a function that returns a `Finding`. A check
reads what is stored of the whole study, also partitions of earlier runs.
"""

import importlib
import pkgutil

import dagster as dg


def build_checks() -> list[dg.AssetChecksDefinition]:
    """Return every check of the pipeline, sorted by file."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return [check for name in modules for check in importlib.import_module(f"{__name__}.{name}").build()]
