"""A study of 16 configurations x 64 prompts, ours and as a user of other libraries would do it; and whether both compute the same."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from asteer_core.concepts import load_concept
from asteer_core.methods import METHODS
from asteer_core.model import LanguageModel, capture, generate
from asteer_core.model.sequences import call, pad_right
from asteer_core.model.steering import Steering, Tally
from asteer_core.types import Add, GenerationRequest, Intervention, Sampling, row_stream
from benchmarks._model import LAYER, benchmark_model, embedded_model, exactly, texts, vectors
from benchmarks._peers import Peers
from benchmarks._table import in_turns, machine, quick, ratio, show, spread
from benchmarks.extraction import pairs_of

PLAIN = "transformers 5 generate + hook"


def ours(model: LanguageModel, table: dict[str, Intervention], prompts: list[str], sampling: Sampling) -> int:
    """Generate every configuration in one call; return the tokens of the replies, the ones that end them included."""
    requests = [
        GenerationRequest(f"{name}/{row}", prompt, name, row_stream(name, str(row), 0, 0))
        for name in table
        for row, prompt in enumerate(prompts)
    ]
    rows = generate(model, requests, table, sampling)
    return sum(row.n_tokens + (row.finish_reason == "stop") for row in rows)


def plain(model: LanguageModel, added: np.ndarray, prompts: list[str], tokens: int, ending: bool = False) -> int:
    """Generate one configuration after the other with `generate` of transformers 5 and one hook; return the tokens of the replies."""
    rendered = model.prompter.encode(prompts, [None] * len(prompts))
    width = max(map(len, rendered))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rendered], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rendered], device=model.device)
    end = int(model.config.eos_token_id)
    made = 0
    for vector in torch.from_numpy(added).to(model.device, model.dtype):
        handle = model.blocks[LAYER].register_forward_hook(lambda _module, _args, output, vector=vector: output + vector)
        try:
            out = model.module.generate(
                input_ids=ids, attention_mask=mask, do_sample=True, max_new_tokens=tokens, min_new_tokens=None if ending else tokens,
                top_k=0, eos_token_id=end, pad_token_id=end,
            )[:, width:]  # fmt: skip
        finally:
            handle.remove()
        made += int(((out == end).cumsum(1) - (out == end).int() == 0).sum())
    return made


def speed(model: LanguageModel, peers: Peers, added: np.ndarray, prompts: list[str], tokens: int, rounds: int) -> None:
    """Print who generates how fast."""
    table = {f"add-{number}": Intervention((Add(LAYER, vector),)) for number, vector in enumerate(added)}
    runs: dict[str, Callable[[], float | None]] = {
        "asteer": lambda: timed(lambda: ours(model, table, prompts, exactly(tokens))),
        PLAIN: lambda: timed(lambda: plain(model, added, prompts, tokens)),
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


def replies(small: bool) -> None:
    """Print who generates how fast where replies end by themselves: a fixed batch waits for its longest, ours takes in new rows."""
    model = embedded_model()
    prompts = load_concept("toxicity").prompts["prompt"].to_list()[: 8 if small else 64]
    sampling = Sampling(max_new_tokens=72)
    added = vectors(2 if small else 16, norm=1.0)
    table = {f"add-{number}": Intervention((Add(LAYER, vector),)) for number, vector in enumerate(added)}
    made: dict[str, list[int]] = {"asteer": [], PLAIN: [], "steering-vectors 0.12.2": [], "repeng 0.4.0": []}
    with Peers(model, prompts, sampling.max_new_tokens, added) as peers:

        def theirs(name: str, job: str) -> float:
            seconds = peers.do(job, ending=True)
            made[name].append(peers.tokens())
            return seconds

        runs: dict[str, Callable[[], float | None]] = {
            "asteer": lambda: timed(lambda: made["asteer"].append(ours(model, table, prompts, sampling))),
            PLAIN: lambda: timed(lambda: made[PLAIN].append(plain(model, added, prompts, sampling.max_new_tokens, ending=True))),
            "steering-vectors 0.12.2": lambda: theirs("steering-vectors 0.12.2", "steering_vectors"),
            "repeng 0.4.0": lambda: theirs("repeng 0.4.0", "repeng"),
        }
        seconds = in_turns(runs, 1 if small else 3)
    # Texts differ by their draws, so seconds per token of a reply are compared.
    each = {name: [time / count for time, count in zip(times, made[name][1:], strict=True)] for name, times in seconds.items()}
    rows = [[name, 1 / min(times), sum(made[name]) / len(made[name]), spread(ratio(each, "asteer", name))] for name, times in each.items()]
    show(
        f"{len(added)} configurations x {len(prompts)} prompts, replies of the embedded model that end by themselves (at most 72 tokens)",
        ["who", "tokens of replies/s", "tokens", "asteer is faster by (range)"], rows, f"{machine()}; goal 5",
    )  # fmt: skip


def timed(run: Callable[[], object]) -> float:
    """Return the seconds that a call took."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


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
    """Print the tables."""
    model = benchmark_model()
    model.tokenizer.pad_token = model.tokenizer.eos_token
    prompts, tokens = texts(8 if small else 64, 8, 40), 8 if small else 32
    added = vectors(2 if small else 16)
    pairs = pairs_of(32 if small else 128)
    joined = [(prompt + yes, prompt + no) for prompt, yes, no in zip(*pairs, strict=True)]
    with Peers(model, prompts, tokens, added, joined) as peers:
        speed(model, peers, added, prompts, tokens, 1 if small else 3)
        parity(model, peers, added, prompts, pairs)
    replies(small)


if __name__ == "__main__":
    main(quick(__doc__))
