"""Steering vectors in and out of a home: imported with evidence, listed, found by name, exported for other tools.

Not here: file formats (`asteer_core.vector_files`) and the study that uses an imported vector (method `imported`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import save_file

from asteer_core import paths
from asteer_core.concepts import load_concept
from asteer_core.errors import AsteerError, ConfigError, DataError, StoreError, unknown_name
from asteer_core.methods import METHODS
from asteer_core.methods.fitting import finite_pairs, separation
from asteer_core.model.available import available_models
from asteer_core.types import Add, SteeringVector, check_name
from asteer_core.vector_files import describe, load_vectors, read_directions, save_vectors, write_control_vector
from asteer_core.warehouse import stores_of
from asteer_core.warehouse.files import replace_file
from asteer_core.warehouse.store import Store

IMPORTED = "imported"
SCALE_PROMPTS = 64


@dataclass(frozen=True)
class Shelved:
    """A file with steering vectors under a home. `vectors` by block; None where the file is broken, and then `problem` says how."""

    name: str
    path: Path
    vectors: dict[int, SteeringVector] | None
    problem: str = ""


def shelf(home: Path) -> Path:
    """Return the folder of imported vectors."""
    return home / "vectors"


def shelf_file(home: Path, name: str) -> Path:
    """Return where imported vectors of a name are stored."""
    return shelf(home) / f"{name}.safetensors"


def import_vectors(
    source: Path, concept: str, model: str, *, name: str | None = None, home: Path | None = None, data_root: Path | None = None,
    shift: int = 0, flip: bool = False, other_weights: bool = False, replace: bool = False,
) -> Shelved:  # fmt: skip
    """Return vectors of another tool as ours, measured on a model and a concept's pairs and stored under the home.

    Args:
        source: a file that `read_directions` takes.
        concept: its held-out pairs tell how well the direction separates violation from compliance.
        model: the model that the vectors are for.
        name: what the vectors are called; default the file's name.
        shift: blocks to add to those in the file.
        flip: turn the directions round, where they point away from violation.
        other_weights: take a file that names other weights.
        replace: overwrite vectors of that name.

    Raises:
        AsteerError: an unreadable file, directions of another model, an unknown concept or model, or a name that is taken.
    """
    home, data_root = paths.home(home), data_root or paths.data_root()
    path = _place(home, name or source.stem.lower(), replace)
    found = read_directions(source)
    found = found.shifted(shift) if shift else found
    spec, card = available_models(home, data_root).get(model), load_concept(concept, paths.concept_roots(home, data_root))
    from asteer_core.model import capture, load_model, residual_scale
    from asteer_core.model.fingerprints import spec_fingerprint

    weights = spec_fingerprint(spec, data_root)
    language_model = load_model(spec, data_root)
    found.check_model(model, language_model.d_model, language_model.n_blocks, weights, other_weights=other_weights)
    blocks = sorted(found.by_block)
    activations = {}
    for split in ("extraction", "extraction_heldout"):
        rows = card.pairs.filter(pl.col("split") == split)
        activations[split] = [
            capture(language_model, rows["prompt"].to_list(), rows[side].to_list(), blocks) for side in ("violating", "compliant")
        ]
    scales = residual_scale(language_model, card.prompts["prompt"].head(SCALE_PROMPTS).to_list(), blocks)
    facts = {
        **describe(found), "normalisation": "unit", "shift": shift, "flipped": flip, "architecture": language_model.config.model_type,
        "model_fingerprint": weights, "model_revision": language_model.revision, "concept_fingerprint": card.fingerprint,
    }  # fmt: skip
    vectors = []
    for block in blocks:
        direction = found.unit(block) * (-1 if flip else 1)
        positive, negative, dropped = finite_pairs(*(side[block] for side in activations["extraction_heldout"]))
        difference = np.subtract(*(side[block].astype(np.float64) for side in activations["extraction"])).mean(axis=0)
        norm = float(np.linalg.norm(difference))
        vectors.append(
            SteeringVector(
                card.name, model, IMPORTED, block, direction.astype(np.float32), scales[block], separation(positive, negative, direction),
                float(direction @ difference) / norm if norm > 0 else None,
                metadata={**facts, "norm_in_file": found.norm(block), "heldout_pairs": len(positive), "heldout_dropped": dropped},
            )
        )  # fmt: skip
    save_vectors(path, vectors)
    return Shelved(path.stem, path, {vector.block: vector for vector in vectors})


def list_vectors(home: Path | None = None) -> list[Shelved]:
    """Return all vector files under a home: imported ones by name, those of studies as `study/concept/model:method`."""
    home = paths.home(home)
    return [_open(name, path) for name, path in _files(home)]


def find_vectors(wanted: str, home: Path | None = None) -> Path:
    """Return the file that a path or a listed name means.

    Raises:
        ConfigError: neither a file nor a name; the nearest name is suggested.
    """
    if Path(wanted).is_file():
        return Path(wanted)
    known = dict(_files(paths.home(home)))
    if wanted not in known:
        if "." in wanted or wanted.startswith("/"):
            raise ConfigError(f"{wanted}: no such file, and no vectors of that name; `asteer vectors list` shows the names")
        raise unknown_name("vectors", wanted, known)
    return known[wanted]


def export_vectors(
    source: Path, target: Path, *, strength: float = 1.0, unit: bool = False, blocks: Sequence[int] | None = None,
    model_hint: str | None = None, home: Path | None = None, data_root: Path | None = None,
) -> list[int]:  # fmt: skip
    """Write vectors for other tools, as .gguf (llama.cpp, repeng) or .safetensors (direction.N), and return the blocks written.

    What is written is what the method adds at `strength`, in activation units: a tool's scale of 1 is that strength.

    Args:
        source: a file of ours.
        target: the suffix decides the format.
        strength: of the method, a share of the residual stream's median norm.
        unit: write unit directions instead, whatever the method does with them.
        blocks: which; default all in the file.
        model_hint: architecture named in a GGUF file; default that of the vector's model.
        home, data_root: where models are looked for.

    Raises:
        AsteerError: another suffix, a block that is not there, or a method that does more than add.
    """
    if target.suffix not in (".gguf", ".safetensors"):
        raise ConfigError(f"{target}: unknown kind of file {target.suffix!r}; end it in .gguf or .safetensors")
    vectors = load_vectors(source)
    missing = sorted(set(blocks or ()) - set(vectors))
    if missing:
        raise ConfigError(f"{source}: no vector for block {missing[0]}; it has blocks {sorted(vectors)}")
    chosen = [vectors[block] for block in (blocks or sorted(vectors))]
    pushes = {v.block: v.direction.astype(np.float64) for v in chosen} if unit else _pushes(source, chosen, strength)
    first = chosen[0]
    facts = {
        "concept": first.concept, "model": first.model, "method": first.method, "strength": None if unit else strength,
        "model_fingerprint": first.metadata.get("model_fingerprint"),
        "separation": {str(v.block): v.separation for v in chosen}, "scale": {str(v.block): v.scale for v in chosen},
    }  # fmt: skip
    hint = model_hint or _architecture(first, paths.home(home), data_root or paths.data_root())
    if target.suffix == ".gguf":
        if not hint:
            raise ConfigError(f"{source}: the architecture of model {first.model!r} is not known here; give --model-hint, such as llama")
        write_control_vector(target, pushes, hint, facts)
    else:
        metadata = {name: str(value) for name, value in {**facts, "model_hint": hint}.items() if value is not None}
        tensors = {f"direction.{block}": np.ascontiguousarray(array, np.float32) for block, array in pushes.items()}
        replace_file(target, lambda temporary: save_file(tensors, temporary, metadata=metadata))
    return sorted(pushes)


def _pushes(source: Path, vectors: Iterable[SteeringVector], strength: float) -> dict[int, np.ndarray]:
    pushes: dict[int, np.ndarray] = {}
    for vector in vectors:
        method = METHODS.get(vector.method)
        gate = method.gate(vector)
        for edit in method.edits(vector, strength if method.has_dial else None):
            if gate or not isinstance(edit, Add) or edit.site != "block_output":
                raise DataError(
                    f"{source}: method {vector.method!r} does more than add to the residual stream, which other tools cannot express; "
                    "export the directions alone with --unit"
                )
            pushes[edit.block] = pushes.get(edit.block, 0) + edit.vector.astype(np.float64)
    if not pushes:
        raise DataError(f"{source}: nothing is added at strength {strength}; give another")
    return pushes


def _architecture(vector: SteeringVector, home: Path, data_root: Path) -> str | None:
    """Return the architecture in the vector's metadata, or that of the registered model of its name."""
    known = vector.metadata.get("architecture")
    if isinstance(known, str):
        return known
    from asteer_core.model.depth import read_architecture

    try:
        return read_architecture(available_models(home, data_root).get(vector.model), data_root)
    except AsteerError:
        return None


def _place(home: Path, name: str, replace: bool) -> Path:
    path = shelf_file(home, check_name("vectors", name))
    if path.exists() and not replace:
        raise ConfigError(f"{path}: vectors of this name are there already; give another --name, or --replace")
    return path


def _files(home: Path) -> list[tuple[str, Path]]:
    named = [(path.stem, path) for path in sorted(shelf(home).glob("*.safetensors"))]
    for study, root in stores_of(home).items():
        for path in sorted((root / "artifacts" / "vectors").glob("concept=*/*.safetensors")):
            name = f"{study}/{path.parent.name.removeprefix('concept=')}/{path.stem.replace('~', ':')}"
            named.append((name, Store(root).local(path, home)))
    return named


def _open(name: str, path: Path) -> Shelved:
    try:
        return Shelved(name, path, load_vectors(path))
    except StoreError as error:
        return Shelved(name, path, None, str(error))
