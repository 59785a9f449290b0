"""Stop strings: finding them while tokens arrive, without decoding every row at every step."""

from __future__ import annotations

from typing import Any


class StopStrings:
    """Finds any of some strings in the text of a growing list of tokens."""

    def __init__(self, tokenizer: Any, stops: tuple[str, ...]) -> None:
        self._tokenizer = tokenizer
        self._stops = tuple(stop for stop in stops if stop)
        self._ends = frozenset(stop[-1] for stop in self._stops)
        self._may_end: dict[int, bool] = {}

    def candidates(self, tokens: list[int]) -> list[int]:
        """Return the rows whose newest token could complete a stop string, judged by the token alone."""
        return [row for row, token in enumerate(tokens) if self._could_end(token)]

    def _could_end(self, token: int) -> bool:
        if token not in self._may_end:
            text = self._tokenizer.decode([token])
            # A lone token may lose its blanks, or be one part of a character: then only the whole text can tell.
            unclear = "\ufffd" in text or not text.strip() or any(end.isspace() for end in self._ends)
            self._may_end[token] = unclear or any(end in text for end in self._ends)
        return self._may_end[token]

    def found(self, ids: list[int]) -> bool:
        """Return whether the text of the tokens contains a stop string."""
        text = self._tokenizer.decode(ids, skip_special_tokens=True)
        return any(stop in text for stop in self._stops)

    def cut(self, text: str) -> str:
        """Return the text before the first stop string."""
        return text[: min((text.index(stop) for stop in self._stops if stop in text), default=len(text))]
