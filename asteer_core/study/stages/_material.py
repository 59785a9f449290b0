"""What a method needs beside the pairs, as it declares it: attention heads, prompts of other concepts, a trainer, files.

What does not belong here: block outputs of the pairs, which every method reads (`vectors.py`), and formulas.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from asteer_core.errors import ConfigError, StoreError
from asteer_core.methods import Given, HeadPairs, PromptSets
from asteer_core.methods.fitting import tuning_half
from asteer_core.study.exchange import shelf_file
from asteer_core.study.plan import asked_of
from asteer_core.study.recipes import method_of, options_of
from asteer_core.study.workspace import Workspace
from asteer_core.types import TrainedVector, fingerprint

TRAIN, HELDOUT = "extraction", "extraction_heldout"


def given_for(ws: Workspace, concept: str, key: str, block: int, candidates: np.ndarray, scale: float) -> Given:
    """Return what the method of a vector needs at one block, and nothing else.

    Args:
        ws: the study.
        concept: whose pairs.
        key: vector key.
        block: where the vector is fitted.
        candidates: mean differences of all blocks [block, d_model].
        scale: median residual norm at the block.

    Raises:
        AsteerError: the model has no heads there, a file is missing, or the study names no other concept to compare with.
    """
    model = key.split(":")[0]
    method, options = method_of(ws.study, key), options_of(ws.study, key)
    needs = method.needs
    return Given(
        options=options,
        candidates=candidates if "candidates" in needs else None,
        heads=_heads(ws, concept, model, block, method.positions) if "heads" in needs else None,
        prompts=_prompts(ws, concept, model, _against(ws, concept, key)) if "prompts" in needs else {},
        train=_trainer(ws, concept, model, block, scale) if "training" in needs else None,
        files={name: _found(ws, name) for name in options.files(model, block)} if "files" in needs else {},
    )


def material_key(ws: Workspace, concept: str, key: str) -> str:
    """Return a hash of a vector's options and of what they point at.

    Raises:
        AsteerError: a file is missing, or the study names no other concept to compare with.
    """
    model, options, needs = key.split(":")[0], options_of(ws.study, key), method_of(ws.study, key).needs
    files: list[Any] = []
    if "files" in needs:
        blocks = range(ws.depth(model)) if _searched(ws, key) else sorted({_block(place) for place, _ in asked_of(ws.study, key, ws.depth)})
        files = [_digest(ws, name) for block in blocks for name in options.files(model, block)]
    others = [ws.concept(name).fingerprint for name in _against(ws, concept, key)] if "prompts" in needs else []
    return fingerprint([options.model_dump(mode="json"), files, others])


def _searched(ws: Workspace, key: str) -> bool:
    return any(place.rank is not None for place, _ in asked_of(ws.study, key, ws.depth))


def _block(place: Any) -> int:
    return int(place.layer)


def _heads(ws: Workspace, concept: str, model: str, block: int, positions: Any) -> HeadPairs:
    from asteer_core.model import capture
    from asteer_core.model.sites import head_writing, heads_of

    language_model = ws.model(model)
    heads = heads_of(language_model, block)

    def read(split: str, side: str) -> np.ndarray:
        pairs = ws.concept(concept).pairs.filter(pl.col("split") == split)
        prompts, texts = pairs["prompt"].to_list(), pairs[side].to_list()
        found = capture(language_model, prompts, texts, [block], positions, site="attention_heads")[block]
        return found.reshape(len(found), heads.count, heads.dim)

    def read_all() -> HeadPairs:
        train, held = ((read(split, "violating"), read(split, "compliant")) for split in (TRAIN, HELDOUT))
        half = tuning_half(len(held[0]))
        return HeadPairs(train, (held[0][:half], held[1][:half]), head_writing(language_model, block).numpy())

    return ws.remember(("heads", concept, model, block, positions), read_all)


def _against(ws: Workspace, concept: str, key: str) -> list[str]:
    """Return the concepts whose prompts must not open the gate."""
    named = getattr(options_of(ws.study, key), "against", None)
    found = [name for name in (named or ws.study.concepts) if name != concept]
    if not found:
        raise ConfigError(
            f"grid entry {key.split(':')[1]!r} needs prompts of another concept than {concept!r}, but the study has no other; "
            "name some under its options: {against: [...]}"
        )
    return found


def _prompts(ws: Workspace, concept: str, model: str, against: list[str]) -> dict[int, PromptSets]:
    """Return block -> the prompts of a concept's pairs, and as many of other concepts, evenly from each."""
    from asteer_core.model import capture_prompts

    language_model = ws.model(model)

    def of(name: str, split: str) -> list[str]:
        return ws.concept(name).pairs.filter(pl.col("split") == split)["prompt"].unique(maintain_order=True).to_list()

    def read(split: str) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
        own = of(concept, split)
        each = -(-len(own) // len(against))
        # A prompt that both have says nothing about either.
        other = [prompt for name in against for prompt in [text for text in of(name, split) if text not in own][:each]][: len(own)]
        blocks = range(language_model.n_blocks)
        return capture_prompts(language_model, own, blocks), capture_prompts(language_model, other, blocks)

    def read_both() -> dict[int, PromptSets]:
        (own, other), (held_own, held_other) = read(TRAIN), read(HELDOUT)
        return {block: PromptSets(own[block], other[block], held_own[block], held_other[block]) for block in own}

    return ws.remember(("prompts", concept, model, tuple(against)), read_both)


def _trainer(ws: Workspace, concept: str, model: str, block: int, scale: float) -> Callable[..., TrainedVector]:
    def texts(split: str, rows: int | None = None) -> tuple[list[str], list[str]]:
        pairs = ws.concept(concept).pairs.filter(pl.col("split") == split)
        pairs = pairs if rows is None else pairs.head(rows)
        return pairs["prompt"].to_list(), pairs["violating"].to_list()

    def train(**settings: Any) -> TrainedVector:
        from asteer_core.model.training import train_vector

        half = tuning_half(ws.concept(concept).pairs.filter(pl.col("split") == HELDOUT).height)
        note = f"{concept}, {model}, block {block}: training"
        return train_vector(
            ws.model(model), texts(TRAIN), texts(HELDOUT, half), block, scale, **settings,
            on_progress=lambda done, total: ws.report("steering_vectors", done, total, note),
        )  # fmt: skip

    return train


def _found(ws: Workspace, name: str) -> Path:
    """Return where a file that a study names is: a path (absolute, or under the data folder, the home or the current folder), or a name
    of imported vectors.
    """
    places = [root / name for root in (ws.data_root, ws.home, Path.cwd())] + [shelf_file(ws.home, name)]
    for place in places:
        if place.is_file():
            return place
    raise StoreError(f"{name!r}: no such file; looked for {', '.join(map(str, dict.fromkeys(places)))}")


def _digest(ws: Workspace, name: str) -> str:
    from asteer_core.model.digests import hash_files

    path = _found(ws, name)
    settings = path.parent / "cfg.json"
    return hash_files([path, *([settings] if settings.is_file() else [])])
