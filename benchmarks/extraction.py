"""Reading activations: pairs per second against steering-vectors, all layers, last token of the completion."""

from __future__ import annotations

from asteer_core.model import LanguageModel, capture
from benchmarks._model import LAYER, benchmark_model, texts, vectors
from benchmarks._peers import Peers
from benchmarks._table import in_turns, machine, quick, ratio, show, spread


def pairs_of(count: int) -> tuple[list[str], list[str], list[str]]:
    """Return prompts with a positive and a negative completion each."""
    return texts(count, 8, 32, 1), [f" {text}" for text in texts(count, 4, 24, 2)], [f" {text}" for text in texts(count, 4, 24, 3)]


def read(model: LanguageModel, prompts: list[str], positive: list[str], negative: list[str]) -> None:
    """Capture all layers, as a vector stage does."""
    capture(model, [*prompts, *prompts], [*positive, *negative], range(model.n_blocks), "last")


def main(small: bool) -> None:
    """Print the table."""
    model = benchmark_model()
    prompts, positive, negative = pairs_of(32 if small else 512)
    joined = [(prompt + yes, prompt + no) for prompt, yes, no in zip(prompts, positive, negative, strict=True)]
    with Peers(model, prompts[:1], 1, vectors(1), joined) as peers:
        seconds = in_turns(
            {
                "asteer": lambda: read(model, prompts, positive, negative),
                "steering-vectors, batch_size=1 (its default)": lambda: peers.do("extract"),
                "steering-vectors, batch_size=16": lambda: peers.do("extract", batch_size=16),
                "steering-vectors, batch_size=64": lambda: peers.do("extract", batch_size=64),
            },
            1 if small else 3,
        )
    rows = [[name, len(prompts) / min(times), spread(ratio(seconds, "asteer", name))] for name, times in seconds.items()]
    show(
        "Activation extraction", ["who", "pairs/s", "asteer is faster by (range)"], rows,
        f"{machine()}; {len(prompts)} pairs, {model.n_blocks} layers (layer {LAYER} is one); goal 3",
    )  # fmt: skip


if __name__ == "__main__":
    main(quick(__doc__))
