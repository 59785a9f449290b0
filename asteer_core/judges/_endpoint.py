"""One question to an OpenAI-compatible endpoint: the request, its retries, and how long to wait.

The key is read from the environment at each call and kept nowhere; redirects are not followed, since they would carry it elsewhere.
Not here: what comes back (`_exchange.py`), the cache and the order of questions (`openai.py`).
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import numpy as np

from asteer_core.errors import ConfigError, ModelError
from asteer_core.judges._budget import Charge
from asteer_core.judges._exchange import Answer, MayPass, Refused, error_code, read_answer, seconds_asked

_LARGEST_BODY = 1_000_000
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PASSING = (408, 409, 425, 429)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for one answer, and how failures are retried. All in seconds but `retries`."""

    timeout: float = 60.0
    retries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0


class Endpoint:
    """Posts chat requests, with retries that back off together: after a 429 no thread asks before the wait is over.

    Args:
        base_url: up to and including `/v1`.
        key_env: the environment variable that holds the key, None where none is needed.
        patience: time-outs and retries.
        rng: the source of jitter.
        sleep: called with seconds; the default ends early when `stop` is set.
        clock: seconds, monotonic.

    Raises:
        ConfigError: the address is not plain http(s), or would send a key unencrypted to another machine.
    """

    def __init__(
        self,
        base_url: str,
        key_env: str | None,
        patience: Patience,
        rng: np.random.Generator,
        *,
        sleep: Callable[[float], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = f"{check_address(base_url, key_env).rstrip('/')}/chat/completions"
        self.stop = threading.Event()
        self._key_env, self._patience, self._rng = key_env, patience, rng
        self._sleep, self._clock = sleep or self.stop.wait, clock
        self._lock = threading.Lock()
        self._not_before = float("-inf")

    def ask(self, body: dict[str, Any], charge: Charge) -> Answer:
        """Return the answer to one chat request; `charge` pays for each attempt.

        Raises:
            Refused: the endpoint declined this request, or failed after all retries.
            OverBudget: the next attempt would cross the budget.
            ModelError: no request can succeed (wrong key, no such model or address).
            ConfigError: the key is missing.
        """
        data = json.dumps(body).encode("ascii")
        reason = "stopped"
        for attempt in range(self._patience.retries + 1):
            self._wait()
            if self.stop.is_set():
                break
            charge.open()
            try:
                answer = read_answer(self._post(data))
            except MayPass as failure:
                reason = failure.reason
                if not failure.billed:
                    charge.refund()
                if attempt < self._patience.retries:
                    self._back_off(attempt, failure.after)
                continue
            charge.settle(answer.tokens_in, answer.tokens_out)
            return answer
        raise Refused(reason, transport=True)

    def check(self) -> None:
        """Raise unless questions can be sent: the key, where one is needed, is in the environment, and urllib3 is installed.

        Raises:
            ConfigError: the key is missing or holds what no key holds, or the package is missing.
        """
        self._authorization()
        _ = self._pool

    @cached_property
    def _pool(self) -> Any:
        # Made with the first question, so that plans, hashes and what is in the cache need no HTTP client.
        return _pool(self.url)

    def _wait(self) -> None:
        with self._lock:
            pause = (self._not_before - self._clock()) * (1 + 0.25 * self._rng.uniform())
        if pause > 0:
            self._sleep(pause)

    def _back_off(self, attempt: int, asked: float | None) -> None:
        with self._lock:
            if asked is not None:
                self._not_before = max(self._not_before, self._clock() + min(asked, self._patience.longest_wait))
                return
            # Full jitter: threads that failed together must not come back together.
            pause = float(self._rng.uniform(0, min(self._patience.longest_wait, self._patience.first_wait * 2**attempt)))
        self._sleep(pause)

    def _post(self, data: bytes) -> bytes:
        from urllib3.exceptions import HTTPError
        from urllib3.exceptions import TimeoutError as NoAnswerInTime

        deadline = self._clock() + self._patience.timeout
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self._authorization()}
        try:
            response = self._pool.request(
                "POST", self.url, body=data, headers=headers, timeout=self._patience.timeout, retries=False, redirect=False,
                preload_content=False,
            )  # fmt: skip
            try:
                content = self._content(response, deadline)
            finally:
                response.close()
        # The text of these errors holds the address and, for a bad header, the key.
        except NoAnswerInTime:
            raise MayPass("time-out") from None
        except (HTTPError, OSError, ValueError):
            raise MayPass("connection failed") from None
        if response.status != 200:
            self._explain(response.status, response.headers.get("Retry-After"), content)
        return content

    def _content(self, response: Any, deadline: float) -> bytes:
        parts, size = [], 0
        while part := response.read1(65_536):
            size += len(part)
            parts.append(part)
            if size > _LARGEST_BODY:
                raise MayPass("answer too large")
            # A server that sends a byte now and then never trips the socket's own time-out.
            if self._clock() > deadline:
                raise MayPass("time-out")
        return b"".join(parts)

    def _authorization(self) -> dict[str, str]:
        if self._key_env is None:
            return {}
        key = os.environ.get(self._key_env, "").strip()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            state = "is not set" if not key else "holds blanks or characters that no key has"
            raise ConfigError(
                f"judge at {self.url}: the environment variable {self._key_env} {state}; export the key there, "
                "or set key_env: null for an endpoint that needs none"
            )
        return {"Authorization": f"Bearer {key}"}

    def _explain(self, status: int, retry_after: str | None, content: bytes) -> None:
        code = error_code(content, os.environ.get(self._key_env, "") if self._key_env else "")
        if status in _PASSING or status >= 500:
            raise MayPass(f"HTTP {status}{code}", seconds_asked(retry_after), billed=False)
        if status in (401, 403):
            raise ModelError(f"judge at {self.url}: HTTP {status}{code}; check the key in {self._key_env or 'key_env'} and what it may use")
        if status in (404, 405) or status < 400:
            raise ModelError(
                f"judge at {self.url}: HTTP {status}{code}; check base_url (it ends in /v1; redirects are not followed) and model"
            )
        raise Refused(f"HTTP {status}{code}", transport=False)


def check_address(base_url: str, key_env: str | None) -> str:
    """Return the address if a key may be sent there.

    Raises:
        ConfigError: it is not http(s), holds credentials or a query, or is unencrypted, remote and gets a key; it is not quoted.
    """
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigError("judge: base_url is not a web address; expected something like https://api.openai.com/v1") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("judge: base_url holds credentials or a query; put the key into the environment variable named by key_env")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(
            "judge: base_url is not a web address; expected something like https://api.openai.com/v1 or http://localhost:8000/v1"
        )
    if parts.scheme == "http" and key_env is not None and host not in _LOOPBACK:
        raise ConfigError("judge: base_url would send the key unencrypted; use https, or key_env: null if none is needed")
    return base_url


def _pool(url: str) -> Any:
    try:
        import urllib3
    except ImportError:
        raise ConfigError("judge 'openai' needs the package urllib3; run: pip install 'asteer[judges]'") from None
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and parts.hostname and parts.hostname not in _LOOPBACK and not proxy_bypass(parts.hostname):
        return urllib3.ProxyManager(proxy, maxsize=64)
    return urllib3.PoolManager(maxsize=64)
