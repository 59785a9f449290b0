"""Steered against unsteered tokens per second: same engine, same batch, 1 and 64 configurations in it."""

from __future__ import annotations

from asteer_core.model import LanguageModel, generate
from asteer_core.model.engines import EngineName
from asteer_core.types import Intervention
from benchmarks._model import additions, benchmark_model, exactly, mixture, requests, texts
from benchmarks._table import in_turns, machine, quick, ratio, show, spread


def measure(model: LanguageModel, engine: EngineName, rows: int, tokens: int, rounds: int) -> list[list[object]]:
    """Return the table's rows for one engine."""
    batches: dict[str, dict[str, Intervention]] = {
        "unsteered": {"off": Intervention()},
        "1 configuration": additions(1),
        "64 configurations, one layer": additions(64),
        "64 configurations, two methods, four layers": mixture(64),
    }
    prompts = texts(rows, 8, 40)

    def run(table: dict[str, Intervention]) -> None:
        generate(model, requests(list(table), prompts), table, exactly(tokens), engine=engine)

    seconds = in_turns({name: (lambda table=table: run(table)) for name, table in batches.items()}, rounds)
    return [[engine, name, rows * tokens / min(seconds[name]), spread(ratio(seconds, name, "unsteered"))] for name in batches]


def main(small: bool) -> None:
    """Print the table of both engines."""
    model = benchmark_model()
    rows = measure(model, "padded", *((64, 8, 1) if small else (256, 48, 5)))
    # On a CPU the continuous engine is there for comparison of texts, not for speed.
    large = model.device.type == "cuda" and not small
    rows += measure(model, "continuous", *((256, 48, 5) if large else (64, 8, 1) if small else (64, 16, 3)))
    show(
        "Steered / unsteered generation", ["engine", "batch", "tokens/s", "/ unsteered (range)"], rows,
        f"{machine()}; tokens/s of the fastest round, ratios are medians over rounds; goal 0.97 and 0.95",
    )  # fmt: skip


if __name__ == "__main__":
    main(quick(__doc__))
