"""Drawing inside transformers' continuous batching: a list of logits processors of which the only one draws the tokens itself.

What the draw and the hooks need per request travels in the argument slots that transformers keeps for logits processors. What does not
belong here: how a token is drawn (`sampling.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessorList
from transformers.generation.logits_process import LogitsProcessorList

from asteer_core.model.loading import LanguageModel
from asteer_core.model.packed import END, FIRST, LAST, LINES, NEVER, NUMBER, ROW, PackedTally
from asteer_core.model.preparation import Prepared
from asteer_core.model.sampling import draw, penalise, uniforms
from asteer_core.types import Sampling

_ROW, _STEP, _UNIFORM = LINES, LINES + 1, LINES + 2
"""Lines of the arguments with one column per token to be drawn; the uniform is a float64 and takes two."""


class PackedDraw(ContinuousBatchingLogitsProcessorList):
    """Draws a token per row from the row's own stream, and returns scores whose only finite entry is that token."""

    def __init__(self, model: LanguageModel, rows: Prepared, sampling: Sampling, tally: PackedTally) -> None:
        super().__init__(LogitsProcessorList())
        self.tensors_required = LINES + 4
        self.do_processing = True
        self._rows, self._sampling, self._tally = rows, sampling, tally
        self._length = np.array([len(prompt) for prompt in rows.prompts], dtype=np.int64)
        self._fixed = _columns(model, rows, self._length)
        self._ends = torch.tensor(sorted(model.prompter.end_ids), dtype=torch.long, device=model.device)
        self._seen = None if sampling.repetition_penalty == 1 else _seen(model, rows)

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Fill the slots with those of no row."""
        int32_tensor.copy_(torch.from_numpy(self._nothing(1)))

    def prepare_tensor_args(self, requests_in_batch: list[Any], arg_storage: torch.Tensor) -> torch.Tensor:
        """Write the arguments of every request of the coming pass into the slots."""
        rows = np.array([self._row_of(request.state.request_id) for request in requests_in_batch], dtype=np.int64)
        filled = self._nothing(arg_storage.shape[1])
        filled[:LINES, : len(rows)] = self._fixed[:, rows]
        drawing = np.array([request.has_new_token for request in requests_in_batch], dtype=bool)
        read = np.array([request.state.position_offset for request in requests_in_batch], dtype=np.int64)
        drawn = rows[drawing]
        known = drawn < len(self._length)
        steps = np.where(known, read[drawing] - np.append(self._length, 0)[drawn], 0)
        filled[_ROW, : len(drawn)], filled[_STEP, : len(drawn)] = drawn, steps
        uniform = uniforms(np.append(self._rows.stream, 0)[drawn], steps)
        filled[_UNIFORM:, : len(drawn)] = uniform.view(np.int32).reshape(-1, 2).T
        arg_storage.copy_(torch.from_numpy(filled))
        return arg_storage

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, logits_processor_args: torch.Tensor) -> torch.Tensor:
        """Return scores [token, vocabulary] that leave one token per row to choose."""
        mine = logits_processor_args[:, : scores.shape[0]]
        row, step = mine[_ROW].long(), mine[_STEP]
        uniform = mine[_UNIFORM:].T.contiguous().view(torch.float64)[:, 0]
        if self._seen is not None:
            scores = penalise(scores, self._seen[row], self._sampling.repetition_penalty)
        if len(self._ends) and self._sampling.min_new_tokens:
            held = torch.zeros_like(scores, dtype=torch.bool)
            held[:, self._ends] = (step < self._sampling.min_new_tokens)[:, None]
            scores = scores.masked_fill(held, -torch.inf)
        drawn = draw(scores, uniform, self._sampling)
        self._tally.broken.scatter_reduce_(0, row, torch.where(drawn.finite, NEVER, step), "amin")
        tokens = drawn.tokens
        if len(self._ends):
            # A broken row has nothing left to say, so it makes room for others at once.
            tokens = torch.where(self._tally.broken[row] <= step, self._ends[0], tokens)
        if self._seen is not None:
            self._seen[row, tokens] = True
        return torch.full_like(scores, -torch.inf).scatter_(1, tokens[:, None], 0.0)

    def _row_of(self, request_id: str) -> int:
        # Transformers warms up with requests of its own making.
        return int(request_id) if request_id.isdecimal() else len(self._length)

    def _nothing(self, columns: int) -> np.ndarray:
        filled = np.zeros((LINES + 4, columns), dtype=np.int32)
        filled[[ROW, _ROW]] = len(self._length)
        return filled


def _columns(model: LanguageModel, rows: Prepared, length: np.ndarray) -> np.ndarray:
    """Return the arguments that stay the same for a row, int32 [line, row + 1]; the last column is that of no row."""
    fixed = np.zeros((LINES, len(length) + 1), dtype=np.int32)
    scope = np.array([rows.scope(row) for row in range(len(length))])
    bos = np.array([model.prompter.leading_bos(prompt) for prompt in rows.prompts])
    last = length - 1
    fixed[NUMBER, :-1] = rows.number
    fixed[FIRST, :-1] = np.where(scope == "generated", last, np.minimum(bos, last))
    fixed[END, :-1] = np.where(scope == "prompt", length, NEVER)
    fixed[LAST, :-1] = last
    fixed[ROW] = np.arange(len(length) + 1)
    return fixed


def _seen(model: LanguageModel, rows: Prepared) -> torch.Tensor:
    vocabulary = int(model.module.get_output_embeddings().weight.shape[0])
    seen = torch.zeros(len(rows.prompts) + 1, vocabulary, dtype=torch.bool, device=model.device)
    for row, prompt in enumerate(rows.prompts):
        seen[row, torch.tensor(prompt, device=model.device)] = True
    return seen
