"""Recipes: descriptions of well-known data sets, shipped as YAML without data, and the user's own beside them."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from asteer_core import paths
from asteer_core.datasets.spec import DatasetSpec
from asteer_core.documents import read_yaml
from asteer_core.errors import ConfigError, DataError, unknown_name


def list_recipes() -> list[str]:
    """Return the names of the recipes that ship and of those under `$ASTEER_HOME/recipes`, sorted.

    Raises:
        ConfigError: a name exists in both places.
    """
    return sorted(_files())


def recipe_file(name: str) -> Path:
    """Return the YAML file of a recipe.

    Raises:
        ConfigError: no such recipe; the nearest is suggested.
    """
    files = _files()
    if name not in files:
        raise unknown_name("recipe", name, files)
    return files[name]


def load_recipe(name: str) -> DatasetSpec:
    """Return the description that the recipe `name` gives; see `resolve`."""
    return resolve({"recipe": name}, f"recipe {name}")


def resolve(entry: Any, where: str, folder: Path | None = None) -> DatasetSpec:
    """Return the description of a data set that `entry` gives: a recipe's name, a recipe with overrides, or everything itself.

    Args:
        entry: what stands in the YAML. Keys beside `recipe` replace the recipe's.
        where: file and place, for errors.
        folder: what a relative `path` of the entry is relative to; default the current folder.

    Raises:
        DataError: not a mapping, an unknown key, or a wrong value.
        ConfigError: no such recipe.
    """
    entry = {"recipe": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, dict):
        raise DataError(f"{where}: got {type(entry).__name__}; expected the name of a recipe, or a mapping with `recipe:` or `kind:`")
    value = dict(entry)
    if recipe := value.pop("recipe", None):
        value = {**_read(recipe_file(str(recipe))), **value}
    try:
        spec = DatasetSpec.model_validate(value)
    except ValidationError as error:
        raise DataError(f"{where}: {'; '.join(_explain(fault) for fault in error.errors())}") from None
    except ConfigError as error:
        raise DataError(f"{where}: {error}") from None
    if spec.path and "path" in entry and folder is not None and not spec.path.startswith(("~", "$", "/")):
        return spec.model_copy(update={"path": str(folder / spec.path)})
    return spec


def _explain(fault: Any) -> str:
    place = ".".join(map(str, fault["loc"])) or "data set"
    return f"{place}: {fault['msg'].removeprefix('Value error, ')}"


def _files() -> dict[str, Path]:
    shipped = {path.stem: path for path in (paths.data_root() / "recipes").glob("*.yaml")}
    own = {path.stem: path for path in (paths.home() / "recipes").glob("*.yaml")}
    both = sorted(shipped.keys() & own.keys())
    if both:
        raise ConfigError(f"recipe {both[0]!r} stands in {own[both[0]]} and among those that ship; rename yours")
    return {**shipped, **own}


def _read(path: Path) -> dict[str, Any]:
    value = read_yaml(path, DataError)
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a mapping with kind, license, columns and splits")
    return {"name": path.stem, **value}
