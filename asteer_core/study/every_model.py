"""What `models: all` in a study file stands for. Torch-free.

What does not belong here: which models there are (`asteer_core.model.available`), and the rest of the study file.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from asteer_core.errors import AsteerError, ConfigError
from asteer_core.model.available import available_models
from asteer_core.paths import data_root
from asteer_core.study.depth import depth_under

ALL = "all"


def name_models(value: Mapping[str, Any], home: Path, where: str) -> dict[str, Any]:
    """Return a study's mapping with `models: all` replaced by every registered model that is not retired.

    A model whose depth cannot be read is left out where the study steers at shares of the depth: it could not be planned.

    Raises:
        ConfigError: layers are given model by model, which cannot foresee models that arrive later; or no model is left.
    """
    dials = _dials(value)
    if any(isinstance(dial.get("layers"), Mapping) and "auto" not in dial["layers"] for dial in dials):
        raise ConfigError(
            f"{where}: `models: all` takes in models that arrive later, so layers cannot be named model by model; "
            "give block numbers, shares of the depth such as ['50%'], or auto"
        )
    names = available_models(home, data_root()).current()
    if any("%" in str(layer) for dial in dials for layer in _list(dial.get("layers"))):
        depth = depth_under(home)
        names = [name for name in names if _has_depth(name, depth)]
    if not names:
        raise ConfigError(f"{where}: `models: all`, but no registered model can be used; see `asteer models list`")
    return {**value, "models": names}


def _dials(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the unparsed dials of a study: grid entries, parts of combinations, and the random control."""
    controls = value.get("controls")
    random = controls.get("random") if isinstance(controls, Mapping) else None
    parts = [part for found in _list(value.get("combinations")) if isinstance(found, Mapping) for part in _list(found.get("parts"))]
    return [dial for dial in [*_list(value.get("grid")), *parts, random] if isinstance(dial, Mapping)]


def _has_depth(name: str, depth: Callable[[str], int]) -> bool:
    try:
        depth(name)
    except AsteerError:
        return False
    return True


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
