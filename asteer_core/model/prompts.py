"""From texts to token ids: chat or plain template, end-of-turn tokens, prompt-response pairs.

What does not belong here: padding and batching (`sequences.py`), and anything about activations.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from asteer_core.errors import ModelError

PLAIN_TEMPLATE = "{system}\n\nUser: {prompt}\nAssistant:"
"""Used where the tokenizer has no chat template and the model's entry names none."""


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A prompt and its response as one sequence; the response begins at index `start`. `bos` tokens lead the sequence (0 or 1)."""

    ids: list[int]
    start: int
    bos: int


class Prompter:
    """Turns prompts into token ids for one tokenizer.

    Args:
        tokenizer: a Hugging Face tokenizer.
        template: plain template with `{prompt}` and optionally `{system}`; given, it replaces the chat template.
        end_ids: end-of-sequence ids named by the model's own configuration.
    """

    def __init__(self, tokenizer: Any, template: str | None = None, end_ids: tuple[int, ...] = ()) -> None:
        self.tokenizer = tokenizer
        self._chat = template is None and bool(getattr(tokenizer, "chat_template", None))
        self._template = template or PLAIN_TEMPLATE
        self._system_role = self._chat and _accepts_system(tokenizer)
        self.template_hash = _digest(tokenizer.chat_template if self._chat else self._template)
        self.end_ids = frozenset(end_ids) | _tokenizer_ends(tokenizer, self._chat)
        self._render = lru_cache(maxsize=16384)(self._render_once)

    def text(self, prompt: str, system: str | None = None) -> str:
        """Return the text the model reads before its answer.

        Raises:
            ModelError: the prompt is empty, or a system message is given and the plain template has no place for it.
        """
        if not prompt.strip():
            raise ModelError("got an empty prompt; every row needs a prompt with at least one visible character")
        return self._render(prompt, system)

    def _render_once(self, prompt: str, system: str | None) -> str:
        if not self._chat:
            if system is not None and "{system}" not in self._template:
                raise ModelError(
                    f"a system message was given, but the plain template {self._template!r} has no {{system}}; "
                    "add {system} to prompt_template in the model's entry"
                )
            # Literal replacement: texts with braces must not be read as format fields.
            head, tail = self._template.split("{prompt}", 1)
            text = head.replace("{system}", system or "") + prompt + tail.replace("{system}", system or "")
            return text if system is not None else text.lstrip()
        if system is not None and not self._system_role:
            messages = [{"role": "user", "content": f"{system}\n\n{prompt}"}]
        else:
            messages = [{"role": "system", "content": system}] if system is not None else []
            messages.append({"role": "user", "content": prompt})
        try:
            return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template is somebody's program: it raises what it likes, the sandbox and memory theirs
            reason = f"{type(error).__name__}: {str(error)[:200]}"
            raise ModelError(
                f"the tokenizer's chat template cannot be applied ({reason}); repair it, or set prompt_template in the model's entry, "
                "which takes its place"
            ) from error

    def encode(self, prompts: list[str], systems: list[str | None]) -> list[list[int]]:
        """Return the token ids of each prompt, special tokens included, ending where the answer begins."""
        return self._tokenize([self.text(prompt, system) for prompt, system in zip(prompts, systems, strict=True)])

    def encode_pairs(self, prompts: list[str], responses: list[str], systems: list[str | None]) -> list[TokenPair]:
        """Return each prompt with its response as one sequence, without an end-of-turn token.

        Where tokenising prompt and response together keeps the prompt's tokens, that sequence is taken; else the response is
        tokenised on its own, so that the prompt is always exactly what generation sees.
        """
        texts = [self.text(prompt, system) for prompt, system in zip(prompts, systems, strict=True)]
        heads = self._tokenize(texts)
        joined = self._tokenize([text + response for text, response in zip(texts, responses, strict=True)])
        pairs = []
        for head, both, response in zip(heads, joined, responses, strict=True):
            if both[: len(head)] != head:
                both = head + self.tokenizer(response, add_special_tokens=False, verbose=False)["input_ids"]
            pairs.append(TokenPair(both, len(head), self.leading_bos(head)))
        return pairs

    def leading_bos(self, ids: list[int]) -> int:
        """Return 1 if the sequence begins with the beginning-of-sequence token (the attention sink), else 0."""
        return int(bool(ids) and ids[0] == self.tokenizer.bos_token_id)

    def decode(self, rows: list[list[int]]) -> list[str]:
        """Return the text of each row of ids, special tokens left out."""
        return [self.tokenizer.decode(row, skip_special_tokens=True) for row in rows]

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        # A chat template writes its own special tokens, so the tokenizer must not add them again.
        # `verbose` warns of texts beyond the context; who reads them checks or cuts and counts them (sequences, scoring).
        ids = self.tokenizer(texts, add_special_tokens=not self._chat, return_attention_mask=False, verbose=False)["input_ids"]
        end = self.tokenizer.eos_token_id
        # Some tokenizers append an end token to plain text; a prompt that already ended would generate nothing.
        return [row[:-1] if not self._chat and len(row) > 1 and row[-1] == end else row for row in ids]


def _accepts_system(tokenizer: Any) -> bool:
    """Return whether the chat template renders a system message (some raise, some drop it silently)."""
    messages = [{"role": "system", "content": "asteer-system"}, {"role": "user", "content": "asteer-user"}]
    try:
        return "asteer-system" in tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception:  # jinja raises whatever the template's author chose
        return False


def _tokenizer_ends(tokenizer: Any, chat: bool) -> frozenset[int]:
    """Return the ids that end a turn: the tokenizer's end token, and the special token the template puts after an answer."""
    ends = set() if tokenizer.eos_token_id is None else {int(tokenizer.eos_token_id)}
    if chat:
        messages = [{"role": "user", "content": "asteer-user"}, {"role": "assistant", "content": "asteer-answer"}]
        try:
            tail = tokenizer.apply_chat_template(messages, tokenize=False).rpartition("asteer-answer")[2]
        except Exception:
            tail = ""
        first = tokenizer(tail, add_special_tokens=False)["input_ids"][:1] if tail.strip() else []
        ends.update(token for token in first if token in tokenizer.all_special_ids or token in tokenizer.added_tokens_decoder)
    return frozenset(ends)


def _digest(text: Any) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()[:16]
