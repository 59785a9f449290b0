"""Train the reference models on the grammar's first world: `python -m asteer_core.reference.train [--model NAME]`.

Writes `data/models/<name>/`: weights (bfloat16 safetensors), tokenizer, configuration, model card and `training_log.json`. Equal seeds give
equal text; weights agree between machines only up to floating-point order.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

from asteer_core.paths import data_root
from asteer_core.reference.corpus import CorpusWriter, Document
from asteer_core.reference.grammar import load_grammar
from asteer_core.reference.model_card import model_card
from asteer_core.reference.train_architectures import ARCHITECTURES, Architecture, build_model
from asteer_core.reference.train_tokenizer import Encoded, encode_documents, train_tokenizer

BATCH_TOKENS = 3_000
PROMPT_WEIGHT = 0.1
TOKENIZER_DOCUMENTS = 12_000
HELD_OUT_DOCUMENTS = 400


def train(architecture: Architecture, out: Path, threads: int = 2) -> dict[str, object]:
    """Train one model, write it to `out`, and return its training log."""
    torch.manual_seed(architecture.seed)
    torch.set_num_threads(threads)
    writer = CorpusWriter(load_grammar())
    rng = np.random.default_rng(architecture.seed)
    held_out = list(writer.documents(HELD_OUT_DOCUMENTS, rng))
    first = list(writer.documents(TOKENIZER_DOCUMENTS, rng))
    tokenizer = train_tokenizer(f"{d.system} {d.prompt or ''} {d.text}" for d in first)
    corpus, digest = _corpus(architecture.tokens, writer, first, tokenizer, rng)
    model = build_model(architecture, tokenizer)
    # For short texts plain matrix products beat the fused attention kernel on CPUs, by a third.
    model.set_attn_implementation("eager")
    pad = tokenizer.encode(str(tokenizer.pad_token), add_special_tokens=False)[0]
    curve = _fit(model, corpus, architecture, rng, pad)
    evaluation = encode_documents(held_out, tokenizer, prompt_weight=0.0)
    loss = _evaluate(model, evaluation, pad)
    log: dict[str, object] = {
        "model": architecture.name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seed": architecture.seed,
        "recipe": writer.recipe.describe(),
        "documents": len(corpus),
        "tokens": int(sum(len(item.ids) for item in corpus)),
        "batch_tokens": BATCH_TOKENS,
        "peak_learning_rate": architecture.rate,
        "prompt_loss_weight": PROMPT_WEIGHT,
        "corpus_sha256": digest,
        "loss": curve,
        "held_out_reply_loss": round(loss, 4),
    }
    _save(model, tokenizer, log, out)
    return log


def _corpus(
    tokens: int, writer: CorpusWriter, first: list[Document], tokenizer: PreTrainedTokenizerFast, rng: np.random.Generator
) -> tuple[list[Encoded], str]:
    digest, corpus, total, batch = hashlib.sha256(), [], 0, first
    while total < tokens:
        for document in batch:
            digest.update(json.dumps([document.system, document.prompt, document.text]).encode())
        encoded = encode_documents(batch, tokenizer, PROMPT_WEIGHT)
        corpus += encoded
        total += sum(len(item.ids) for item in encoded)
        batch = list(writer.documents(4_000, rng))
    return corpus, digest.hexdigest()


def _batches(corpus: list[Encoded], rng: np.random.Generator) -> Iterator[list[Encoded]]:
    # Documents of like length share a batch, so that little of it is padding.
    order = sorted(range(len(corpus)), key=lambda i: (len(corpus[i].ids), i))
    groups: list[list[int]] = [[]]
    for i in order:
        if (len(groups[-1]) + 1) * len(corpus[i].ids) > BATCH_TOKENS:
            groups.append([])
        groups[-1].append(i)
    for g in rng.permutation(len(groups)):
        yield [corpus[i] for i in groups[int(g)]]


def _tensors(batch: list[Encoded], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(item.ids) for item in batch)
    ids = np.full((len(batch), width), pad)
    weights = np.zeros((len(batch), width), dtype=np.float32)
    for row, item in enumerate(batch):
        ids[row, : len(item.ids)], weights[row, : len(item.ids)] = item.ids, item.weights
    return torch.from_numpy(ids), torch.from_numpy(weights)


def _loss(model: PreTrainedModel, batch: list[Encoded], pad: int) -> torch.Tensor:
    ids, weights = _tensors(batch, pad)
    # Padding stands on the right and attention is causal, so no mask is needed.
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=ids, use_cache=False).logits
    losses = functional.cross_entropy(logits[:, :-1].float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    kept = weights[:, 1:].flatten()
    return (losses * kept).sum() / kept.sum()


def _optimizers(model: PreTrainedModel, rate: float) -> list[torch.optim.Optimizer]:
    # Muon on the matrices of the blocks learns from fewer tokens than AdamW alone; embeddings, norms and biases stay with AdamW.
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.05),
    ]


def _fit(
    model: PreTrainedModel, corpus: list[Encoded], architecture: Architecture, rng: np.random.Generator, pad: int
) -> list[list[float]]:
    batches = list(_batches(corpus, rng))
    optimizers = _optimizers(model, architecture.rate)
    curve: list[list[float]] = []
    recent: list[float] = []
    started = time.monotonic()
    model.train()
    for step, batch in enumerate(batches):
        progress = step / len(batches)
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = architecture.rate * min(1.0, (step + 1) / 60) * (0.04 + 0.96 * (1 + math.cos(math.pi * progress)) / 2)
        loss = _loss(model, batch, pad)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        recent.append(loss.item())
        if (step + 1) % 100 == 0 or step + 1 == len(batches):
            curve.append([step + 1, round(float(np.mean(recent)), 4)])
            recent.clear()
            seconds = time.monotonic() - started
            print(f"{architecture.name} step {step + 1}/{len(batches)} loss {curve[-1][1]:.3f} {seconds:.0f} s", flush=True)
    return curve


@torch.no_grad()
def _evaluate(model: PreTrainedModel, documents: list[Encoded], pad: int) -> float:
    model.eval()
    losses = [_loss(model, documents[i : i + 40], pad).item() for i in range(0, len(documents), 40)]
    return float(np.mean(losses))


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, log: dict[str, object], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    model.bfloat16()
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        do_sample=True, temperature=1.0, max_new_tokens=96,
    )  # fmt: skip
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    log["weights_sha256"] = hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()
    (out / "training_log.json").write_text(json.dumps(log, indent=2) + "\n", encoding="utf-8")
    (out / "README.md").write_text(model_card(log), encoding="utf-8")


def main() -> None:
    """Train the named model, or both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(ARCHITECTURES), action="append", help="default: all")
    parser.add_argument("--out", type=Path, default=data_root() / "models", help="folder that holds one folder per model")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of one training; fewer waste less on a busy machine")
    options = parser.parse_args()
    for name in options.model or ARCHITECTURES:
        train(ARCHITECTURES[name], options.out / name, options.threads)


if __name__ == "__main__":
    main()
