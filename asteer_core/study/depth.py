"""The depth of a registered model by its name, for plans that are made without a workspace. Torch-free."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from asteer_core import paths
from asteer_core.model.available import Available, available_models
from asteer_core.model.depth import read_depth


def registered_depth(model: str) -> int:
    """Return the number of blocks of a model that ships or stands in `$ASTEER_HOME`.

    Raises:
        AsteerError: no such model, or its configuration cannot be read or names no depth.
    """
    return depth_under(paths.home())(model)


def depth_under(home: Path) -> Callable[[str], int]:
    """Return the function that gives the depth of a model that ships or stands in `home`; the registry is read when first asked."""

    @cache
    def registry() -> Available:
        return available_models(home, paths.data_root())

    return lambda model: read_depth(registry().get(model), paths.data_root())
