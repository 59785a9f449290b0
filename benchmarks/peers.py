"""A study of 16 configurations x 64 prompts, ours and as a user of other libraries would do it; and whether both compute the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from asteer_core.methods import METHODS
from asteer_core.model import LanguageModel, capture, generate
from asteer_core.model.sequences import call, pad_right
from asteer_core.model.steering import Steering, Tally
from asteer_core.types import Add, GenerationRequest, Intervention, row_stream
from benchmarks._model import LAYER, benchmark_model, exactly, texts, vectors
from benchmarks._peers import Peers
from benchmarks._table import in_turns, machine, quick, ratio, show, spread
from benchmarks.extraction import pairs_of


def ours(model: LanguageModel, table: dict[str, Intervention], prompts: list[str], tokens: int) -> None:
    """Generate every configuration in one call."""
    requests = [
        GenerationRequest(f"{name}/{row}", prompt, name, row_stream(name, str(row), 0, 0))
        for name in table
        for row, prompt in enumerate(prompts)
    ]
    generate(model, requests, table, exactly(tokens))


def plain(model: LanguageModel, added: np.ndarray, prompts: list[str], tokens: int) -> None:
    """Generate one configuration after the other with `generate` of transformers 5 and one hook."""
    tokenizer, device = model.tokenizer, model.device
    batch = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left", return_token_type_ids=False).to(device)
    for vector in torch.from_numpy(added).to(device, model.dtype):
        handle = model.blocks[LAYER].register_forward_hook(lambda _module, _args, output, vector=vector: output + vector)
        try:
            model.module.generate(**batch, do_sample=True, max_new_tokens=tokens, min_new_tokens=tokens, top_k=0, pad_token_id=1)
        finally:
            handle.remove()


def speed(model: LanguageModel, peers: Peers, added: np.ndarray, prompts: list[str], tokens: int, rounds: int) -> None:
    """Print who generates how fast."""
    table = {f"add-{number}": Intervention((Add(LAYER, vector),)) for number, vector in enumerate(added)}
    runs: dict[str, Callable[[], float | None]] = {
        "asteer": lambda: ours(model, table, prompts, tokens),
        "transformers 5 generate + hook": lambda: plain(model, added, prompts, tokens),
        "steering-vectors 0.12.2": lambda: peers.do("steering_vectors"),
        "repeng 0.4.0": lambda: peers.do("repeng"),
    }
    seconds = in_turns(runs, rounds)
    total = len(added) * len(prompts) * tokens
    rows = [[name, total / min(times), spread(ratio(seconds, "asteer", name))] for name, times in seconds.items()]
    show(
        f"{len(added)} configurations x {len(prompts)} prompts x {tokens} tokens", ["who", "tokens/s", "asteer is faster by (range)"],
        rows, f"{machine()}; each of the others runs all prompts of a configuration as one batch; goal 5",
    )  # fmt: skip


def parity(
    model: LanguageModel, peers: Peers, added: np.ndarray, prompts: list[str], pairs: tuple[list[str], list[str], list[str]]
) -> None:
    """Print how far our vectors and steered logits are from those of steering-vectors."""
    question, positive, negative = pairs
    blocks = range(model.n_blocks)
    high, low = (capture(model, question, answers, blocks, "last") for answers in (positive, negative))
    rows: list[list[object]] = []
    for aggregator, method in (("mean", "caa"), ("pca", "pca")):
        peers.do("extract", batch_size=16, aggregator=aggregator)
        with np.load(peers.folder / f"{aggregator}.npz") as theirs:
            cosines = [
                float(theirs[str(block)] @ METHODS.get(method).fit(high[block], low[block], np.random.default_rng(0)).direction)
                / float(np.linalg.norm(theirs[str(block)]))
                for block in blocks
            ]
        rows.append([f"{method}: least cosine over {len(blocks)} layers", f"{min(cosines):.7f}", "> 0.9999"])
    peers.do("logits")
    with np.load(peers.folder / "logits.npz") as theirs:
        gaps = [np.abs(theirs[str(row)] - _logits(model, added[0], prompt)).max() for row, prompt in enumerate(prompts[:8])]
        moves = [np.abs(theirs[str(row)] - _logits(model, 0 * added[0], prompt)).max() for row, prompt in enumerate(prompts[:8])]
    rows.append([f"steered logits: largest difference (steering itself moves them by {min(moves):.2f})", f"{max(gaps):.1e}", "< 1e-4"])
    show("Parity with steering-vectors 0.12.2, float32", ["what", "measured", "goal"], rows, "same definitions: last token, mean and PCA")


def _logits(model: LanguageModel, vector: np.ndarray, prompt: str) -> np.ndarray:
    ids, _ = pad_right(model.prompter.encode([prompt], [None]), model.device)
    with torch.inference_mode(), Steering(model, [Intervention((Add(LAYER, vector),), "all")]) as steering:
        steering.choose(torch.tensor([1]))
        steering.steer(torch.arange(ids.shape[1])[None] >= 1, Tally(1, model.device))
        return call(model, ids)[0].float().cpu().numpy()


def main(small: bool) -> None:
    """Print both tables."""
    model = benchmark_model()
    model.tokenizer.pad_token = model.tokenizer.eos_token
    prompts, tokens = texts(8 if small else 64, 8, 40), 8 if small else 32
    added = vectors(2 if small else 16)
    pairs = pairs_of(32 if small else 128)
    joined = [(prompt + yes, prompt + no) for prompt, yes, no in zip(*pairs, strict=True)]
    with Peers(model, prompts, tokens, added, joined) as peers:
        speed(model, peers, added, prompts, tokens, 1 if small else 3)
        parity(model, peers, added, prompts, pairs)


if __name__ == "__main__":
    main(quick(__doc__))
