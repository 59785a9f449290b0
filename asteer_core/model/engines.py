"""The two engines by name. Both give the same texts in float32; they differ in speed.

What does not belong here: the engines (`decoding.py`, `continuous.py`), and what they share (`engine.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Literal

from asteer_core.errors import unknown_name
from asteer_core.model.attention import one_query_attention
from asteer_core.model.decoding import Decoder
from asteer_core.model.loading import LanguageModel
from asteer_core.model.preparation import Prepared
from asteer_core.model.rows import GeneratedRow
from asteer_core.model.steering import Steering
from asteer_core.types import Sampling

EngineName = Literal["auto", "padded", "continuous"]
"""`padded`: one batch of padded rows, any model. `continuous`: transformers' continuous batching, for GPUs. `auto`: see `chosen`."""

Run = Callable[[int, list[int]], Generator[tuple[int, GeneratedRow], None, None]]
"""From the most rows at a time, and the rows that wait, to rows with their records as they finish."""


def chosen(name: str) -> Literal["padded", "continuous"]:
    """Return the engine that a name stands for; `auto` is padded, until continuous has been measured faster on a GPU.

    Raises:
        ConfigError: unknown name.
    """
    if name not in ("auto", "padded", "continuous"):
        raise unknown_name("engine", name, ("auto", "padded", "continuous"))
    return "continuous" if name == "continuous" else "padded"


@contextmanager
def running(name: str, model: LanguageModel, rows: Prepared, sampling: Sampling) -> Iterator[Run]:
    """Yield the function that runs rows on the named engine; hooks are gone afterwards, whatever happens.

    Raises:
        ConfigError: unknown name.
    """
    if chosen(name) == "continuous":
        from asteer_core.model.continuous import ContinuousDecoder

        yield lambda capacity, waiting: ContinuousDecoder(model, rows, sampling, capacity).run(waiting)
    else:
        with one_query_attention(model), Steering(model, rows.interventions) as steering:
            yield lambda capacity, waiting: Decoder(model, rows, sampling, steering, capacity).run(waiting)
