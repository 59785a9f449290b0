"""The generation loop over one batch of changing rows: fill, step, draw, finish, compact.

What does not belong here: recovery from lack of memory and the public signature (`engine.py`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np
import torch

from asteer_core.model.cache import NativeCache, cache_for
from asteer_core.model.loading import LanguageModel
from asteer_core.model.preparation import Prepared
from asteer_core.model.rows import FinishReason, GeneratedRow
from asteer_core.model.sampling import draw, penalise, uniforms
from asteer_core.model.sequences import call, pad_right
from asteer_core.model.steering import Steering, Tally
from asteer_core.model.stopping import StopStrings
from asteer_core.types import Sampling

_DEAD_SHARE = 8
"""Finished rows are replaced or dropped once they are one in so many: rarer wastes steps, more often wastes copies."""
_PREFILL_TOKENS = 32768


class Decoder:
    """One run over a list of waiting rows, at most `capacity` at a time."""

    def __init__(self, model: LanguageModel, rows: Prepared, sampling: Sampling, steering: Steering, capacity: int) -> None:
        self.model, self.rows, self.sampling, self.steering, self.capacity = model, rows, sampling, steering, capacity
        self.device = model.device
        self.cache = cache_for(model)
        self.stops = StopStrings(model.tokenizer, sampling.stop) if sampling.stop else None
        self.ends = torch.tensor(sorted(model.prompter.end_ids), dtype=torch.long, device=self.device)
        # Host side, one entry per row of the batch: which request, tokens drawn so far, columns in the cache, still running.
        self.index = np.zeros(0, dtype=np.int64)
        self.step = np.zeros(0, dtype=np.int64)
        self.length = np.zeros(0, dtype=np.int64)
        self.alive = np.zeros(0, dtype=bool)
        # Device side: the token to be read next, the tokens drawn, what was steered, and tokens seen (for the repetition penalty).
        self.token = torch.zeros(0, dtype=torch.long, device=self.device)
        self.drawn = torch.zeros(0, sampling.max_new_tokens, dtype=torch.long, device=self.device)
        self.tally = Tally(0, self.device)
        self.seen: torch.Tensor | None = None
        self._has_prompt_scope = any(item.scope == "prompt" for item in rows.interventions)

    def run(self, waiting: list[int]) -> Generator[tuple[int, GeneratedRow], None, None]:
        """Yield every waiting row with its record, as rows finish."""
        queue = list(reversed(waiting))
        while queue or self.alive.any():
            self._make_room(queue)
            reasons = self._advance()
            if reasons:
                yield from self._records(reasons)
                self.alive[list(reasons)] = False

    def _make_room(self, queue: list[int]) -> None:
        """Drop finished rows and take in new ones, when enough have finished for that to pay."""
        dead = int((~self.alive).sum())
        running = len(self.alive) - dead
        if len(self.alive) and running and dead * _DEAD_SHARE < len(self.alive):
            return
        if dead or not running:
            self._compact()
        fresh = self._next(queue, self.capacity - running)
        if fresh:
            self._fill(fresh)
        if dead or fresh:
            self._choose()

    def _next(self, queue: list[int], room: int) -> list[int]:
        if not self.cache.refillable and len(self.index):
            return []
        fresh: list[int] = []
        while queue and len(fresh) < room:
            same = not fresh or len(self.rows.prompts[queue[-1]]) == len(self.rows.prompts[fresh[0]])
            if not self.cache.refillable and not same:
                break
            fresh.append(queue.pop())
        return fresh

    def _compact(self) -> None:
        kept = np.flatnonzero(self.alive)
        self.index, self.step, self.length, self.alive = (item[kept] for item in (self.index, self.step, self.length, self.alive))
        if not len(kept):
            self.cache = cache_for(self.model)
        chosen = torch.from_numpy(kept).to(self.device)
        if len(kept):
            self.cache.keep(chosen, int(self.length.max()))
        self.token, self.drawn, self.tally = self.token[chosen], self.drawn[chosen], self.tally.select(chosen)
        self.seen = None if self.seen is None else self.seen[chosen]

    def _fill(self, fresh: list[int]) -> None:
        """Read the prompts of new rows, all but their last token, and append the rows to the batch."""
        prompts = [self.rows.prompts[row] for row in fresh]
        # Rows whose edits begin after the prompt share one pass over it, whatever their configuration.
        keys = [(int(self.rows.group[row]), int(self.rows.number[row]) if self.rows.scope(row) != "generated" else 0) for row in fresh]
        places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        firsts = dict(zip(reversed(keys), reversed(fresh), strict=True))
        order = [firsts[key] for key in places]
        numbers = np.array([key[1] for key in places], dtype=np.int64)
        longest = max(1, max(len(prompt) for prompt in prompts))
        size = len(order) if not self.cache.refillable else max(1, _PREFILL_TOKENS // longest)
        source = np.array([places[key] for key in keys])
        for start in range(0, len(order), size):
            chosen = np.flatnonzero((source >= start) & (source < start + size))
            part = slice(start, start + size)
            some = [prompts[place] for place in chosen]
            tally = self._read(order[part], numbers[part], source[chosen] - start, some)
            self._append([fresh[place] for place in chosen], some, tally)

    def _read(self, unique: list[int], numbers: np.ndarray, source: np.ndarray, prompts: list[list[int]]) -> Tally:
        """Run the model over the prefixes of `unique` rows and put the resulting states into the cache; return the rows' tallies."""
        prefixes = [self.rows.prompts[row][:-1] for row in unique]
        tally = Tally(len(unique), self.device)
        filled = None
        if any(prefixes) or not self.cache.refillable:
            filled = self.cache.prefill_cache(self.model)
        if any(prefixes):
            ids, valid = pad_right(prefixes, self.device)
            positions = torch.arange(ids.shape[1], device=self.device)[None].expand(ids.shape)
            if numbers.any():
                bos = torch.tensor([self.model.prompter.leading_bos(prefix) for prefix in prefixes], device=self.device)
                self.steering.choose(torch.from_numpy(numbers))
                self.steering.steer(valid & (positions >= bos[:, None]), tally)
            call(self.model, ids, mask=None if bool(valid.all()) else valid, positions=positions, cache=filled, last_only=True)
            self.steering.release()
        where = torch.from_numpy(source).to(self.device)
        self.cache.add(filled, where, torch.tensor([len(prompt) - 1 for prompt in prompts], device=self.device))
        return tally.select(where)

    def _append(self, fresh: list[int], prompts: list[list[int]], tally: Tally) -> None:
        count = len(fresh)
        self.index = np.concatenate([self.index, np.array(fresh, dtype=np.int64)])
        self.step = np.concatenate([self.step, np.zeros(count, dtype=np.int64)])
        self.length = np.concatenate([self.length, np.array([len(prompt) - 1 for prompt in prompts], dtype=np.int64)])
        self.alive = np.concatenate([self.alive, np.ones(count, dtype=bool)])
        self.token = torch.cat([self.token, torch.tensor([prompt[-1] for prompt in prompts], device=self.device)])
        self.drawn = torch.cat([self.drawn, self.drawn.new_zeros(count, self.drawn.shape[1])])
        self.tally = self.tally.join(tally)
        if self.sampling.repetition_penalty != 1:
            seen = torch.zeros(count, int(self.model.module.get_output_embeddings().weight.shape[0]), dtype=torch.bool, device=self.device)
            for place, prompt in enumerate(prompts):
                seen[place, torch.tensor(prompt, device=self.device)] = True
            self.seen = seen if self.seen is None else torch.cat([self.seen, seen])

    def _choose(self) -> None:
        """Tell the hooks which configuration acts on which row from the next pass on."""
        numbers = self.rows.number[self.index]
        if self._has_prompt_scope:
            over = np.array([self.rows.scope(int(row)) == "prompt" for row in self.index], dtype=bool) & (self.step > 0)
            numbers = np.where(over, 0, numbers)
        self.steering.choose(torch.from_numpy(numbers))

    def _advance(self) -> dict[int, FinishReason]:
        """Read one token per row, draw the next, and return the rows that ended, with the reason."""
        self.length += 1
        end = int(self.length.max()) if isinstance(self.cache, NativeCache) else self.cache.length + 1
        width = end if isinstance(self.cache, NativeCache) else self.cache.width
        length = torch.from_numpy(self.length).to(self.device)
        mask = None
        if self.length.min() < width:
            column = torch.arange(width, device=self.device)[None, :]
            mask = (column >= (end - length)[:, None]) & (column < end)
        positions = length - 1
        if self.model.context_length is not None:
            # Finished rows run along until they are dropped, and may not leave the table of positions.
            positions = positions.clamp(max=self.model.context_length - 1)
        self.steering.steer(None, self.tally)
        logits = call(self.model, self.token[:, None], mask=mask, positions=positions[:, None], cache=self.cache.cache, last_only=True)
        self.steering.release()
        tokens, finite = self._draw(logits[:, -1])
        ended = torch.isin(tokens, self.ends)
        last = torch.from_numpy(np.minimum(self.step, self.drawn.shape[1] - 1)).to(self.device)
        self.drawn[torch.arange(len(tokens), device=self.device), last] = tokens
        self.token = tokens
        self.step += 1
        if self._has_prompt_scope and (self.step == 1).any():
            self._choose()
        flags = torch.stack([ended, finite]).cpu().numpy()
        return self._reasons(flags[0], flags[1], tokens)

    def _draw(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.seen is not None:
            logits = penalise(logits.float(), self.seen, self.sampling.repetition_penalty)
        early = self.step < self.sampling.min_new_tokens
        if early.any() and len(self.ends):
            logits = logits.clone()
            held = torch.from_numpy(early).to(self.device)[:, None]
            logits[:, self.ends] = torch.where(held, -torch.inf, logits[:, self.ends])
        uniform = torch.from_numpy(uniforms(self.rows.stream[self.index], self.step))
        if self.device.type == "mps":
            uniform = uniform.float()
        drawn = draw(logits, uniform.to(self.device), self.sampling)
        if self.seen is not None:
            self.seen[torch.arange(len(drawn.tokens), device=self.device), drawn.tokens] = True
        return drawn.tokens, drawn.finite

    def _reasons(self, ended: np.ndarray, finite: np.ndarray, tokens: torch.Tensor) -> dict[int, FinishReason]:
        full = self.step >= self.rows.limit[self.index]
        reasons: dict[int, FinishReason] = {}
        for row in np.flatnonzero(self.alive & (ended | ~finite | full)).tolist():
            reasons[row] = "nonfinite" if not finite[row] else "stop" if ended[row] else "length"
        if self.stops is not None:
            for row in self.stops.candidates(tokens.tolist()):
                if self.alive[row] and reasons.get(row, "length") == "length" and self.stops.found(self._ids(row)):
                    reasons[row] = "stop_string"
        return reasons

    def _ids(self, row: int) -> list[int]:
        return self.drawn[row, : self.step[row]].tolist()

    def _records(self, reasons: dict[int, FinishReason]) -> Iterator[tuple[int, GeneratedRow]]:
        rows = list(reasons)
        place = torch.tensor(rows, device=self.device)
        drawn = self.drawn[place].tolist()
        steered = self.tally.tokens[place].tolist()
        edits, moved = self.tally.edits[place].tolist(), self.tally.displacement[place].tolist()
        # The token that ended a row is part of the text only where the row ran into its limit or a stop string.
        kept = [ids[: self.step[row] - (reasons[row] in ("stop", "nonfinite"))] for row, ids in zip(rows, drawn, strict=True)]
        texts = self.model.prompter.decode(kept)
        for i, row in enumerate(rows):
            text = self.stops.cut(texts[i]) if self.stops is not None and reasons[row] == "stop_string" else texts[i]
            request = int(self.index[row])
            displacement = moved[i] / edits[i] if edits[i] else None
            record = GeneratedRow(self.rows.requests[request].row_id, text, len(kept[i]), int(steered[i]), reasons[row], displacement)
            yield request, record
