"""A judge behind any OpenAI-compatible endpoint: graded JSON replies at temperature 0, cached, retried, bounded in cost.

Not here: wording (`_rubric.py`), reading replies (`_reply.py`), HTTP (`_endpoint.py`), money (`_budget.py`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from asteer_core.errors import DataError
from asteer_core.judges._budget import Budget, DryRun, OverBudget, Price, tokens_in
from asteer_core.judges._endpoint import Endpoint, Patience
from asteer_core.judges._exchange import Refused
from asteer_core.judges._ledger import Ledger
from asteer_core.judges._openai_settings import OpenAISettings
from asteer_core.judges._outcomes import Health, Null
from asteer_core.judges._reply import Grades, UnreadableReply, read_reply
from asteer_core.judges._rubric import Rubric, ticket_of
from asteer_core.judges._verdict_cache import VerdictCache
from asteer_core.judges._verdicts import Verdicts, halved
from asteer_core.judges.asked import AskedKind
from asteer_core.judges.protocol import JUDGES, Tools

_READINGS = 3
"""Times a question is put before a reply that cannot be read is given up."""
_REMINDER = "\n\nAnswer with the JSON object alone."


class OpenAIJudge:
    """Grades success and coherence 0, 1 or 2 by asking a language model; a response without a readable verdict is null, with a reason.

    Args:
        rubric: the concept in words.
        settings: where and how to ask.
        cache: file of verdicts, shared by any number of runs; None keeps nothing.
        account: name under which spending is kept beside the verdicts, so that the budget holds over runs; None counts for this object.
        rng: the source of jitter between retries; verdicts do not depend on it.
        progress: called with questions answered and questions asked.
        sleep, clock: see `Endpoint`.

    Raises:
        ConfigError: the address cannot take a key, or a dollar budget is set without prices.
        StoreError: the cache cannot be opened.
    """

    def __init__(
        self,
        rubric: Rubric,
        settings: OpenAISettings,
        cache: Path | None = None,
        rng: np.random.Generator | None = None,
        *,
        account: str | None = None,
        progress: Callable[[int, int], Any] | None = None,
        sleep: Callable[[float], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rubric, self.settings, self._progress = rubric, settings, progress or (lambda done, total: None)
        self._cache = VerdictCache(cache)
        ledger = Ledger(cache, account) if cache is not None and account is not None else Ledger()
        self.budget = Budget(Price(settings.input_price, settings.output_price), settings.budget, settings.max_calls, ledger)
        patience = Patience(timeout=settings.timeout, retries=settings.retries)
        self._endpoint = Endpoint(settings.base_url, settings.key_env, patience, rng or np.random.default_rng(), sleep=sleep, clock=clock)

    @property
    def fingerprint(self) -> str:
        """Hash of what verdicts depend on besides the texts: model, parameters, reply format and rubric."""
        return self._key("", "")[:16]

    def dry_run(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> DryRun:
        """Return what judging would take; nothing is sent and no key is needed."""
        questions = self._questions(texts, prompts)
        unique = dict(zip(questions, _pairs(texts, prompts), strict=True))
        cached = self._cache.read(list(unique))
        new = [pair for key, pair in unique.items() if key not in cached]
        inputs, outputs = sum(self._tokens_in(*pair) for pair in new), len(new) * self._tokens_out
        dollars = self.budget.dollars_for(inputs, outputs)
        hits = sum(key in cached for key in questions)
        return DryRun(len(questions), hits, len(questions) - hits - len(new), len(new), inputs, outputs, dollars)

    def judge(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> Verdicts:
        """Return the verdicts on responses to `prompts` (None: no prompts). Equal pairs are asked once.

        Raises:
            DataError: prompts and texts differ in number.
            ConfigError: the key is missing, or the budget does not allow the calls that are needed; nothing was sent.
            ModelError: the endpoint cannot answer at all. Verdicts until then are in the cache.
        """
        questions = self._questions(texts, prompts)
        unique = dict(zip(questions, _pairs(texts, prompts), strict=True))
        found: dict[str, Grades | Null] = dict(self._cache.read(list(unique)))
        todo = {key: pair for key, pair in unique.items() if key not in found}
        if todo:
            self.budget.check(self.dry_run(texts, prompts))
            self._endpoint.check()
            found |= self._ask_all(todo)
        return _verdicts([found[key] for key in questions])

    def _ask_all(self, todo: dict[str, tuple[str, str]]) -> dict[str, Grades | Null]:
        self._endpoint.stop.clear()
        found: dict[str, Grades | Null] = {}
        health = Health(self._endpoint.url, len(todo))

        def settle(key: str) -> None:
            # Looked up once more: another process may have paid for it since all were looked up.
            if key in (paid := self._cache.read([key])):
                found[key] = paid[key]
                return
            outcome = self._ask(*todo[key])
            # In the worker, so that a verdict is durable and a broken endpoint is seen before the next question goes out.
            found[key] = outcome
            if isinstance(outcome, Grades):
                self._cache.write(key, outcome)
            health.note(outcome)

        with ThreadPoolExecutor(min(self.settings.concurrency, len(todo)), thread_name_prefix="judge") as pool:
            try:
                for done, future in enumerate(as_completed([pool.submit(self._unless_stopped, settle, key) for key in todo]), start=1):
                    future.result()
                    self._progress(done, len(todo))
            except BaseException:
                self._endpoint.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return found

    def _unless_stopped(self, settle: Callable[[str], None], key: str) -> None:
        if self._endpoint.stop.is_set():
            return
        try:
            settle(key)
        except BaseException:
            self._endpoint.stop.set()
            raise

    def _ask(self, prompt: str, response: str) -> Grades | Null:
        ticket = ticket_of(prompt, response)
        charge = self.budget.charge(self._tokens_in(prompt, response), self._tokens_out)
        reason = ""
        for reading in range(_READINGS):
            try:
                answer = self._endpoint.ask(self._body(prompt, response, remind=reading > 0), charge)
            except OverBudget as error:
                return Null(str(error), "budget")
            except Refused as error:
                return Null(str(error), "failed" if error.transport else "declined")
            try:
                return read_reply(answer.text, ticket)
            except UnreadableReply as error:
                reason = f"unreadable: {error}{' (cut at the token limit)' if answer.cut else ''}"
        return Null(reason, "unreadable")

    def _body(self, prompt: str, response: str, *, remind: bool = False) -> dict[str, Any]:
        messages = self.rubric.messages(prompt, response)
        if remind:
            messages[-1]["content"] += _REMINDER
        return {**self._request, "messages": messages}

    @property
    def _request(self) -> dict[str, Any]:
        fixed: dict[str, Any] = {"model": self.settings.model, "temperature": 0, "max_tokens": self.settings.max_tokens}
        if self.settings.reply_format == "json_object":
            fixed["response_format"] = {"type": "json_object"}
        return {name: value for name, value in {**fixed, **self.settings.parameters}.items() if value is not None}

    @property
    def _tokens_out(self) -> int:
        limits = [self.settings.parameters.get(name) for name in ("max_tokens", "max_completion_tokens")]
        return max([self.settings.max_tokens, *(limit for limit in limits if isinstance(limit, int))])

    def _tokens_in(self, prompt: str, response: str) -> int:
        return sum(tokens_in(message["content"]) for message in self._body(prompt, response, remind=True)["messages"])

    def _key(self, prompt: str, response: str) -> str:
        parts = [self._request, self.rubric.version, prompt, response]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("ascii")).hexdigest()

    def _questions(self, texts: Sequence[str], prompts: Sequence[str] | None) -> list[str]:
        return [self._key(prompt, text) for prompt, text in _pairs(texts, prompts)]


def _pairs(texts: Sequence[str], prompts: Sequence[str] | None) -> list[tuple[str, str]]:
    if prompts is None:
        return [("", text) for text in texts]
    if len(prompts) != len(texts):
        raise DataError(f"judge 'openai': {len(prompts)} prompts for {len(texts)} responses; expected one prompt per response")
    return list(zip(prompts, texts, strict=True))


def _verdicts(outcomes: list[Grades | Null]) -> Verdicts:
    grades = [(halved(one.success), halved(one.coherence)) if isinstance(one, Grades) else (np.nan, np.nan) for one in outcomes]
    table = np.array(grades, dtype=np.float64).reshape(-1, 2)
    return Verdicts(table[:, 0], table[:, 1], tuple(one.reason if isinstance(one, Null) else None for one in outcomes))


@JUDGES.register("openai")
class OpenAIKind(OpenAISettings, AskedKind):
    """A language model behind any OpenAI-compatible endpoint grades each reply 0, 1 or 2 on success and coherence, in JSON.

    `base_url`, `model`: where and whom to ask. `key_env`: the environment variable with the key, never the key; null: no key.
    `input_price`, `output_price`: dollars per million tokens. `budget`, `max_calls`: most dollars and calls over all runs of the study
    in this home. `concurrency`, `timeout` (seconds), `retries`, `reply_format`, `max_tokens`, `parameters` (into each request as they
    are; null removes one): how to ask. `calibration`: `none` takes grades halved, `isotonic` what labelled rows make of each grade.
    `labelled`: rows that are asked about to say how good it is, and to calibrate it.
    """

    calibration: Literal["none", "isotonic"] = "none"  # type: ignore[assignment]
    labelled: Annotated[int, Field(ge=0)] | None = 100

    def ask(self, rubric: Rubric, tools: Tools) -> OpenAIJudge:
        """Return the judge of the endpoint, with the cache of verdicts and the account of the work."""
        return OpenAIJudge(rubric, self, tools.verdicts(), account=tools.account(), progress=tools.progress)

    def asks(self, rubric: Rubric, tools: Tools) -> list[Any]:
        """Return what a verdict is cached by; the address is not in it, so that a proxy or another port costs nothing."""
        return [OpenAIJudge(rubric, self).fingerprint]

    def shown(self) -> dict[str, Any]:
        """Return the model's name."""
        return {"judge_model": self.model}

    def check(self, tools: Tools) -> None:
        """Raise a `ConfigError` where the key is missing, or the HTTP client."""
        Endpoint(self.base_url, self.key_env, Patience(), np.random.default_rng(0)).check()

    def expected(self, rubric: Rubric, texts: int, characters: float) -> DryRun:
        """Return calls, tokens and dollars of so many pairs, if each is asked once; a little high, as every estimate of the budget."""
        return OpenAIJudge(rubric, self).dry_run(["r" * round(characters)]).times(texts)
