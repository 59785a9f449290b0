"""How much likelier a model finds one set of short answers than another. Reading only: no sampling, no steering.

What does not belong here: the wording of questions (`asteer_core.judges`), scoring whole responses (`scoring.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from asteer_core.errors import ModelError
from asteer_core.model.loading import LanguageModel
from asteer_core.model.sequences import Batch, each_batch, whole


def answer_logodds(model: LanguageModel, prompts: Sequence[str], yes: Sequence[str], no: Sequence[str]) -> np.ndarray:
    """Return ln P(an answer in `yes`) - ln P(an answer in `no`), float64 [prompt]; NaN where prompt and answers do not fit the context.

    P of an answer is the probability of all its tokens right after the prompt; variants that tokenise alike are counted once, and an
    answer that begins with another of the same side is not counted beside it.

    Raises:
        ModelError: a side has no answer, an answer has no tokens, both sides tokenise alike, or memory does not suffice for a single row.
    """
    if not yes or not no:
        raise ModelError(f"{model.name}: {len(yes)} yes and {len(no)} no answers; each side needs at least one")
    heads = model.prompter.encode(list(prompts), [None] * len(prompts))
    sides = [_answers(model, side) for side in (yes, no)]
    if set(sides[0]) & set(sides[1]):
        raise ModelError(f"{model.name}: a yes and a no answer of {list(yes)} and {list(no)} have the same tokens; choose other words")
    longest = max(len(answer) for side in sides for answer in side)
    limit = model.context_length or float("inf")
    fitting = [row for row, head in enumerate(heads) if len(head) + longest <= limit]
    # What the model reads to score an answer: the prompt and all of the answer but its last token. One pass per distinct sequence.
    needed = {(tuple(heads[row]) + answer[:-1]): None for row in fitting for side in sides for answer in side}
    tokens = sorted({token for side in sides for answer in side for token in answer})
    tails = _log_probabilities(model, list(needed), longest, tokens)
    odds = np.full(len(prompts), np.nan)
    for row in fitting:
        scores = [np.logaddexp.reduce([_score(tails, tokens, tuple(heads[row]), answer) for answer in side]) for side in sides]
        odds[row] = scores[0] - scores[1]
    return odds


def _answers(model: LanguageModel, texts: Sequence[str]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for text in texts:
        ids = tuple(model.tokenizer(text, add_special_tokens=False)["input_ids"])
        if not ids:
            raise ModelError(f"{model.name}: the answer {text!r} has no tokens in this model's vocabulary; choose another word")
        found.append(ids)
    unique = sorted(set(found), key=len)
    return [ids for position, ids in enumerate(unique) if not any(ids[: len(other)] == other for other in unique[:position])]


@torch.inference_mode()
def _log_probabilities(
    model: LanguageModel, sequences: list[tuple[int, ...]], keep: int, tokens: list[int]
) -> dict[tuple[int, ...], np.ndarray]:
    """Return for each sequence the log-probabilities of `tokens` after each of its last `keep` tokens, float64 [<= keep, token]."""
    found: dict[tuple[int, ...], np.ndarray] = {}

    def read(batch: Batch) -> None:
        logits = whole(model, batch)
        for place, row in enumerate(batch.rows):
            end = len(sequences[row])
            tail = logits[place, max(0, end - keep) : end].double()
            found[sequences[row]] = torch.log_softmax(tail, dim=-1)[:, tokens].cpu().numpy()

    # Few rows: the logits of a batch are [row, token, vocabulary], and a large vocabulary fills the memory.
    each_batch(model, sequences, read, max_tokens=4096, max_rows=16)
    return found


def _score(tails: dict[tuple[int, ...], np.ndarray], tokens: list[int], head: tuple[int, ...], answer: tuple[int, ...]) -> float:
    table = tails[head + answer[:-1]][-len(answer) :]
    return float(table[np.arange(len(answer)), [tokens.index(token) for token in answer]].sum())
