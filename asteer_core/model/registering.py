"""Adding a model of one's own to the home's `models.yaml`. Torch-free.

What does not belong here: what an entry may say (`specs.py`), which models there are (`available.py`), trying one (`smoke.py`).
"""

from __future__ import annotations

from pathlib import Path

import yaml

from asteer_core.atomic import write_whole
from asteer_core.errors import ConfigError
from asteer_core.model.available import FILE, available_models
from asteer_core.model.specs import ModelSpec, check_scorer

_HEADER = """\
# Your own models. `source`: a folder (relative to this file, or absolute) or a Hugging Face id. `scorer`: the model that judges
# coherence, never the one that is steered. `retired: true` takes a model out of studies over `models: all`.
"""


def add_model(spec: ModelSpec, home: Path, data_root: Path) -> Path:
    """Append an entry to the home's registry and return the file; comments and entries that stand there stay as they are.

    Raises:
        ConfigError: the name is taken, the scorer is unknown, the registry is broken, or the file cannot be written.
    """
    file = home / FILE
    known = available_models(home, data_root)
    if spec.name in known.specs or spec.name in known.problems:
        raise ConfigError(f"model {spec.name!r} is registered already; choose another name, or edit its entry in {file}")
    if str(file) in known.problems:
        raise ConfigError(known.problems[str(file)])
    check_scorer(spec, {**known.specs, spec.name: spec}, str(file))
    entry = {key: value for key, value in spec.model_dump().items() if value != ModelSpec.model_fields[key].default}
    text = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=140)
    try:
        before = file.read_text(encoding="utf-8") if file.is_file() else _HEADER
        content = before + ("" if before.endswith("\n") else "\n") + text
        write_whole(file, lambda temporary: temporary.write_text(content, encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error}); set ASTEER_HOME to a folder that can") from None
    return file
