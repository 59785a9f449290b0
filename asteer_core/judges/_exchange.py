"""What comes back from an OpenAI-compatible endpoint: an answer, a refusal, or a failure that may pass.

Nothing of a body reaches a message, for bodies quote the judged text and sometimes the key. Not here: sending (`_endpoint.py`), reading the
verdict (`_reply.py`).
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_CODE = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]]{0,63}")


@dataclass(frozen=True, slots=True)
class Answer:
    """The text of an answer and the tokens it took; `cut` if the endpoint stopped it at the token limit."""

    text: str
    tokens_in: int | None
    tokens_out: int | None
    cut: bool


class Refused(Exception):
    """This question got no answer, another one may; the text is a short reason without any quotation.

    `transport` is set where the endpoint failed (429, 5xx, time-outs, broken bodies) rather than declined the question.
    """

    def __init__(self, reason: str, *, transport: bool) -> None:
        super().__init__(reason)
        self.transport = transport


class MayPass(Exception):
    """A failure that may pass: its reason, the seconds that the endpoint asks for, and whether the call may be billed all the same."""

    def __init__(self, reason: str, after: float | None = None, *, billed: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.after, self.billed = reason, after, billed


def read_answer(content: bytes) -> Answer:
    """Return the answer in the body of a chat completion.

    Raises:
        MayPass: the body is not a chat completion (truncated JSON, an error page).
        Refused: the completion has no text.
    """
    try:
        reply = json.loads(content)
        choice = reply["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise MayPass("answer is not a chat completion") from None
    if not isinstance(text, str):
        raise Refused("no text in the answer", transport=False)
    usage = reply.get("usage") if isinstance(reply.get("usage"), dict) else {}
    counts = [value if type(value := usage.get(name)) is int and value >= 0 else None for name in ("prompt_tokens", "completion_tokens")]
    return Answer(text, counts[0], counts[1], choice.get("finish_reason") == "length")


def error_code(content: bytes, key: str) -> str:
    """Return the machine-readable code of an error body, such as ` (unsupported_parameter: temperature)`; never its message."""
    try:
        error = json.loads(content)["error"]
        found = [error.get("code") or error.get("type"), error.get("param")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    safe = [one for one in found if isinstance(one, str) and _CODE.fullmatch(one) and not (key and (one in key or key in one))]
    return f" ({': '.join(safe)})" if safe else ""


def seconds_asked(retry_after: str | None) -> float | None:
    """Return the wait that a Retry-After header asks for (seconds or a date), None where it says nothing usable."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return seconds if 0 <= seconds < float("inf") else None
