"""The assets, one file per stage; each has a `build(parts)`. A new stage is one new file, listed nowhere."""

import importlib
import pkgutil

import dagster as dg

from asteer_pipeline.partitions import StudyPartitions


def build_assets(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """Return every asset of the pipeline over the partitions of one study, sorted by name."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [importlib.import_module(f"{__name__}.{name}").build(parts) for name in modules]
