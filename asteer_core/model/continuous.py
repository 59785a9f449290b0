"""The second engine: transformers' own continuous batching (paged cache, packed rows, CUDA graphs) with the same edits and streams.

It runs on a CPU too, slowly, so that its texts can be compared with the padded engine's. Prefix sharing between rows is off: cached
states of a steered row are not those of another. What does not belong here: the hooks (`packed.py`), drawing (`packed_drawing.py`).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.requests import GenerationOutput, RequestState, RequestStatus
from transformers.generation.continuous_batching.utils import WorkloadHints, logger

from asteer_core.errors import ModelError
from asteer_core.model.loading import LanguageModel
from asteer_core.model.memory import is_out_of_memory
from asteer_core.model.packed import PackedSteering, PackedTally
from asteer_core.model.packed_drawing import PackedDraw
from asteer_core.model.preparation import Prepared
from asteer_core.model.rows import FinishReason, GeneratedRow
from asteer_core.model.stopping import StopStrings
from asteer_core.types import Sampling

_CPU_ROWS = 32
"""On a CPU every row's attention runs over all packed rows, so more rows cost more each."""
_PAGE = 16
_POLL_SECONDS = 1.0
_STALL_SECONDS = 300.0
"""Far beyond the longest pass: transformers' loop waits for ever where it finds no row that it may schedule."""


class ContinuousDecoder:
    """One run over a list of waiting rows, at most `capacity` at a time."""

    def __init__(self, model: LanguageModel, rows: Prepared, sampling: Sampling, capacity: int) -> None:
        self.model, self.rows, self.sampling = model, rows, sampling
        self.capacity = capacity if model.device.type == "cuda" else min(capacity, _CPU_ROWS)
        self.tally = PackedTally(len(rows.prompts), model.device)
        self.stops = StopStrings(model.tokenizer, sampling.stop) if sampling.stop else None
        self.stopped: set[int] = set()

    def run(self, waiting: list[int]) -> Generator[tuple[int, GeneratedRow], None, None]:
        """Yield every waiting row with its record, as rows finish.

        Raises:
            ModelError: the model's attention cannot read a paged cache; the message names the engine that can.
        """
        if not waiting:
            return
        ends = sorted(self.model.prompter.end_ids)
        with _quiet(), self._manager(waiting) as manager:
            for row in waiting:
                state = _Row(
                    request_id=str(row),
                    initial_tokens=list(self.rows.prompts[row]),
                    max_new_tokens=int(self.rows.limit[row]),
                    eos_token_id=ends,
                )
                state.decoder = self
                manager.input_queue.put(state)
            manager._wake_up_loop.set()
            for _ in waiting:
                output = _next_output(manager)
                if output.status == RequestStatus.FAILED:
                    self._fail(manager, output)
                yield int(output.request_id), self._record(output)

    @contextmanager
    def _manager(self, waiting: Sequence[int]) -> Iterator[Any]:
        """Start transformers' generation loop with our hooks and draw; afterwards the loop has ended and the model is as before."""
        attention = self.model.config._attn_implementation
        manager = None
        try:
            manager = self._prepared(waiting, attention)
            with PackedSteering(self.model, self.rows, self.tally, guarded="flash" not in self.model.config._attn_implementation):
                manager.warmup()
                manager.start()
                try:
                    yield manager
                finally:
                    # The hooks may only go when the loop no longer calls the model.
                    manager.stop(block=True, hard_stop=True)
        finally:
            if manager is not None:
                manager.destroy()
            if self.model.config._attn_implementation != attention:
                self.model.module.set_attn_implementation(attention)

    def _prepared(self, waiting: Sequence[int], attention: str) -> Any:
        try:
            if getattr(self.model.config, "attn_logit_softcapping", None) is not None and "flash" not in attention:
                # Transformers' paged attention drops the soft cap without a word, which would change the texts.
                raise NotImplementedError("its attention scores are soft-capped")
            manager = self.model.module.init_continuous_batching(
                generation_config=GenerationConfig(do_sample=False, eos_token_id=-1),
                continuous_batching_config=self._settings(waiting),
                workload_hints=self._hints(waiting),
            )
            manager.logit_processor = PackedDraw(self.model, self.rows, self.sampling, self.tally)
            manager.batch_processor = manager._create_batch_processor()
            manager.current_batch = 0
        except (ValueError, AttributeError, NotImplementedError) as error:
            raise ModelError(
                f"model {self.model.name!r}: transformers' continuous batching cannot run it with attention {attention!r} ({error}); "
                "use engine: padded"
            ) from error
        return manager

    def _settings(self, waiting: Sequence[int]) -> ContinuousBatchingConfig:
        cuda = self.model.device.type == "cuda"
        rows = min(self.capacity, len(waiting))
        settings = ContinuousBatchingConfig(
            max_requests_per_batch=rows,
            allow_block_sharing=False,
            # With two batches in flight a finished row is read once more, which would be counted as steered.
            use_async_batching=False,
            auto_switch_to_flash=cuda and self.model.dtype in (torch.float16, torch.bfloat16),
            # A nucleus larger than expected is found by looking at the values, which a captured graph cannot do.
            use_cuda_graph=None if cuda and self.sampling.top_p == 1 else False,
        )
        if not cuda:
            pages = sum(sorted((math.ceil(self._length(row) / _PAGE) for row in waiting), reverse=True)[:rows])
            # A fifth more: transformers holds new rows back while less than 15 % of the pages are free.
            settings.page_size, settings.num_blocks = _PAGE, math.ceil(1.2 * pages) + 2
            settings.max_batch_tokens = max(rows, 256)
        return settings

    def _hints(self, waiting: Sequence[int]) -> WorkloadHints:
        prompt = max(len(self.rows.prompts[row]) for row in waiting)
        return WorkloadHints(max_prompt_length=prompt, max_generated_length=self.sampling.max_new_tokens, num_requests=len(waiting))

    def _length(self, row: int) -> int:
        return len(self.rows.prompts[row]) + int(self.rows.limit[row])

    def _fail(self, manager: Any, output: GenerationOutput) -> None:
        cause = manager.background_thread_status.fatal_error
        if isinstance(cause, ModelError) or (cause is not None and is_out_of_memory(cause)):
            raise cause
        request = self.rows.requests[int(output.request_id)]
        raise ModelError(
            f"row {request.row_id!r} (configuration {request.intervention!r}): continuous batching of {self.model.name!r} failed: "
            f"{output.error}; use engine: padded"
        ) from cause

    def _record(self, output: GenerationOutput) -> GeneratedRow:
        row = int(output.request_id)
        drawn, broken = output.generated_tokens, int(self.tally.broken[row])
        reason: FinishReason
        if broken < len(drawn):
            reason, kept = "nonfinite", drawn[:broken]
        elif drawn and drawn[-1] in self.model.prompter.end_ids:
            reason, kept = "stop", drawn[:-1]
        else:
            reason, kept = "stop_string" if row in self.stopped else "length", drawn
        text = self.model.prompter.decode([kept])[0]
        if reason == "stop_string" and self.stops is not None:
            text = self.stops.cut(text)
        edits = float(self.tally.edits[row])
        displacement = float(self.tally.displacement[row]) / edits if edits else None
        return GeneratedRow(self.rows.requests[row].row_id, text, len(kept), int(self.tally.tokens[row]), reason, displacement)


class _Row(RequestState):
    """A request that also ends at a stop string, and whose tally begins anew when its cache had to be given up."""

    decoder: ContinuousDecoder | None = None

    def update_and_check_completion(self, token_id: int, logprob: float | None) -> bool:
        """Take a new token; return whether the row is complete."""
        done = super().update_and_check_completion(token_id, logprob)
        decoder = self.decoder
        if decoder is None or decoder.stops is None or token_id in self._eos_token_ids:
            return done
        answer = [*self.initial_tokens, *self.generated_tokens][len(decoder.rows.prompts[int(self.request_id)]) :]
        if decoder.stops.candidates([token_id]) and decoder.stops.found(answer):
            decoder.stopped.add(int(self.request_id))
            if not done:
                self.status = RequestStatus.FINISHED
            return True
        return done

    def create_equivalent_initial_request(self) -> RequestState:
        """Return the request that reads prompt and answer again and goes on from there."""
        plain = super().create_equivalent_initial_request()
        again = _Row(**{item.name: getattr(plain, item.name) for item in fields(RequestState) if item.init})
        again.decoder = self.decoder
        if self.decoder is not None:
            self.decoder.tally.forget(int(self.request_id))
        return again


def _next_output(manager: Any) -> GenerationOutput:
    passes, since = manager.current_batch, time.monotonic()
    while True:
        output = manager.get_result(timeout=_POLL_SECONDS)
        if output is not None:
            return output
        if not manager.is_running() and manager.output_router.output_queue.empty():
            error = manager.background_thread_status.fatal_error
            raise ModelError(f"continuous batching ended before all rows did: {error}; use engine: padded") from error
        if manager.current_batch != passes:
            passes, since = manager.current_batch, time.monotonic()
        elif time.monotonic() - since > _STALL_SECONDS:
            raise ModelError(f"continuous batching stood still for {_STALL_SECONDS:.0f} s with rows unfinished; use engine: padded")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from logging what is raised here anyway, and advice about a memory budget that is set here."""
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
