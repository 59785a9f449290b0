"""Train small sparse autoencoders on a reference model: `python -m asteer_core.reference.train_sae --model llama-3m --layers 1`.

Writes `data/saes/<model>/layer_<n>/`: `sae.safetensors` (float16, the names of SAELens), `cfg.json` and `training_log.json`. They show
the method `sae` and its file format; a user's own autoencoders come from elsewhere. Equal seeds agree up to floating-point order.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from asteer_core.model import LanguageModel, load_model, load_registry
from asteer_core.model.activations import read_blocks
from asteer_core.model.sequences import Batch
from asteer_core.paths import data_root
from asteer_core.reference.corpus import CorpusWriter, Document
from asteer_core.reference.grammar import load_grammar

DOCUMENTS, HELD_OUT = 4_000, 400
LATENTS_PER_DIMENSION = 2
STEPS, BATCH, RATE, SPARSITY = 3_000, 2_048, 1e-3, 0.06
SEED = 7


def train_sae(activations: np.ndarray, held_out: np.ndarray) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Return the weights of a ReLU autoencoder with unit decoder rows, and how well and how sparsely it rebuilds held-out activations.

    Args:
        activations: what it is trained on, float32 [token, d_model].
        held_out: tokens of documents that it has not seen.
    """
    torch.manual_seed(SEED)
    data = torch.from_numpy(activations)
    mean, size = data.mean(0), (data - data.mean(0)).norm(dim=1).mean()
    width = data.shape[1]
    decoder = torch.nn.functional.normalize(torch.randn(LATENTS_PER_DIMENSION * width, width), dim=1)
    # Trained at unit mean norm, so that one sparsity fits every block; scaled back below.
    weights = {"W_enc": decoder.T.clone(), "W_dec": decoder, "b_enc": torch.zeros(len(decoder)), "b_dec": torch.zeros(width)}
    for tensor in weights.values():
        tensor.requires_grad_(True)
    optimizer = torch.optim.Adam(list(weights.values()), lr=RATE)
    draw = torch.Generator().manual_seed(SEED)
    for step in range(STEPS):
        rows = (data[torch.randint(len(data), (BATCH,), generator=draw)] - mean) / size
        latents, rebuilt = _run(weights, rows)
        # The penalty grows over the first tenth: at full size from the start it kills latents before they mean anything.
        loss = (rebuilt - rows).square().sum(1).mean() + SPARSITY * min(1.0, 10 * step / STEPS) * latents.sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            weights["W_dec"].div_(weights["W_dec"].norm(dim=1, keepdim=True))
    with torch.no_grad():
        rows = (torch.from_numpy(held_out) - mean) / size
        latents, rebuilt = _run(weights, rows)
        log = {
            "explained_variance": float(1 - (rebuilt - rows).square().sum() / (rows - rows.mean(0)).square().sum()),
            "active_latents_per_token": float((latents > 0).float().sum(1).mean()),
            "dead_latents": float((latents.sum(0) == 0).float().mean()),
            "tokens": float(len(data)),
        }
        scaled = {"b_dec": weights["b_dec"] * size + mean, "b_enc": weights["b_enc"] * size}
        return {name: scaled.get(name, tensor).detach().contiguous().half() for name, tensor in weights.items()}, log


def token_activations(model: LanguageModel, documents: list[Document], block: int) -> np.ndarray:
    """Return the output of a block at every token after BOS, float32 [token, d_model]."""
    chats = [document for document in documents if document.prompt is not None]
    pairs = model.prompter.encode_pairs(
        [str(chat.prompt) for chat in chats], [chat.text for chat in chats], [chat.system or None for chat in chats]
    )
    limit = model.context_length
    found: dict[int, np.ndarray] = {}

    def read(_block: int, hidden: torch.Tensor, batch: Batch) -> None:
        keep = batch.valid.clone()
        keep[:, 0] = False
        found.update({row: hidden[place][keep[place]].float().cpu().numpy() for place, row in enumerate(batch.rows)})

    read_blocks(model, [pair.ids[:limit] for pair in pairs], [block], read)
    return np.concatenate(list(found.values()))


def _run(weights: dict[str, torch.Tensor], rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    latents = torch.relu((rows - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"])
    return latents, latents @ weights["W_dec"] + weights["b_dec"]


def _save(folder: Path, model: str, block: int, weights: dict[str, torch.Tensor], log: dict[str, float]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "sae.safetensors")
    width, latents = weights["W_enc"].shape
    settings = {
        "architecture": "standard", "d_in": width, "d_sae": latents, "dtype": "float16", "apply_b_dec_to_input": True,
        "normalize_activations": "none", "hook_name": f"blocks.{block}.hook_resid_post", "model_name": model,
    }  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "training_log.json").write_text(json.dumps({"seed": SEED, "documents": DOCUMENTS, **log}, indent=2) + "\n")


def main() -> None:
    """Train an autoencoder for each layer named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="llama-3m")
    parser.add_argument("--layers", type=int, nargs="+", default=[1])
    parser.add_argument("--out", type=Path, default=data_root() / "saes")
    arguments = parser.parse_args()
    model = load_model(load_registry(data_root() / "models.yaml")[arguments.model], data_root())
    documents = list(CorpusWriter(load_grammar()).documents(DOCUMENTS, np.random.default_rng(SEED)))
    for block in arguments.layers:
        train, held = (token_activations(model, part, block) for part in (documents[HELD_OUT:], documents[:HELD_OUT]))
        weights, log = train_sae(train, held)
        _save(arguments.out / arguments.model / f"layer_{block}", arguments.model, block, weights, log)
        print(f"layer {block}: {json.dumps(log)}")


if __name__ == "__main__":
    main()
