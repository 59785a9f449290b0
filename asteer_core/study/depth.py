"""The depth of a registered model by its name, for plans that are made without a workspace. Torch-free."""

from asteer_core.errors import unknown_name
from asteer_core.model.depth import read_depth
from asteer_core.model.specs import load_registry
from asteer_core.paths import data_root


def registered_depth(model: str) -> int:
    """Return the number of blocks of a model that `models.yaml` names.

    Raises:
        AsteerError: no such model, or its configuration cannot be read or names no depth.
    """
    root = data_root()
    registry = load_registry(root / "models.yaml")
    if model not in registry:
        raise unknown_name("model", model, registry)
    return read_depth(registry[model], root)
