"""What judging costs: an estimate before, and a cap that no call may cross. Where spending is counted is `_ledger.py`."""

from __future__ import annotations

from dataclasses import dataclass

from asteer_core.errors import ConfigError
from asteer_core.judges._ledger import Ledger

_CHARACTERS_PER_TOKEN = 3
"""Low on purpose (English has about four), so that an estimate is rather too high."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens, in and out; None = unknown."""

    input: float | None = None
    output: float | None = None

    def of(self, tokens_in: int, tokens_out: int) -> float | None:
        """Return the cost in dollars, None where a price is unknown."""
        if self.input is None or self.output is None:
            return None
        return (tokens_in * self.input + tokens_out * self.output) / 1e6

    def check(self, budget: float | None) -> None:
        """Raise a `ConfigError` where dollars are limited and a price is unknown, so that nobody could tell when to stop."""
        if budget is not None and self.of(0, 0) is None:
            raise ConfigError(f"judge: a budget of {budget} dollars needs input_price and output_price (dollars per million tokens)")


@dataclass(frozen=True, slots=True)
class DryRun:
    """What judging would take if every call succeeds at once. `dollars` is None where no price is known."""

    texts: int
    cached: int
    repeated: int
    calls: int
    input_tokens: int
    output_tokens: int
    dollars: float | None

    def __add__(self, other: DryRun) -> DryRun:
        """Return what both take; unknown dollars make the sum unknown."""
        return DryRun(
            self.texts + other.texts, self.cached + other.cached, self.repeated + other.repeated, self.calls + other.calls,
            self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens,
            None if self.dollars is None or other.dollars is None else self.dollars + other.dollars,
        )  # fmt: skip

    def times(self, number: int) -> DryRun:
        """Return what so many times as much would take."""
        return DryRun(
            number * self.texts, number * self.cached, number * self.repeated, number * self.calls, number * self.input_tokens,
            number * self.output_tokens, None if self.dollars is None else number * self.dollars,
        )  # fmt: skip


class OverBudget(Exception):
    """The next call would cross the budget."""


class Budget:
    """Limits calls and dollars, retries included. Safe for threads, and with a ledger in a file for processes and later runs.

    Args:
        price: what tokens cost.
        dollars: most dollars to spend, None = no limit.
        calls: most calls to make, None = no limit.
        ledger: where spending is counted; by default in memory, over the life of this object.

    Raises:
        ConfigError: dollars are limited and a price is unknown.
    """

    def __init__(self, price: Price, dollars: float | None = None, calls: int | None = None, ledger: Ledger | None = None) -> None:
        price.check(dollars)
        self._price, self._most_dollars, self._most_calls = price, dollars, calls
        self._ledger = ledger or Ledger()

    @property
    def dollars(self) -> float:
        """Dollars spent or set aside."""
        return self._ledger.spent()[0]

    @property
    def calls(self) -> int:
        """Calls made."""
        return self._ledger.spent()[1]

    def reserve(self, dollars: float) -> None:
        """Set dollars aside for one call.

        Raises:
            OverBudget: the call would cross a limit; nothing is set aside.
        """
        if not self._ledger.reserve(dollars, self._most_dollars, self._most_calls):
            raise OverBudget("budget reached")

    def correct(self, dollars: float) -> None:
        """Add to what is spent (negative: give back)."""
        self._ledger.add(dollars)

    def charge(self, tokens_in: int, tokens_out: int) -> Charge:
        """Return the charge of one question that takes at most these tokens per call."""
        return Charge(self, tokens_in, tokens_out)

    def dollars_for(self, tokens_in: int, tokens_out: int) -> float | None:
        """Return what tokens cost, None where a price is unknown."""
        return self._price.of(tokens_in, tokens_out)

    def check(self, plan: DryRun) -> None:
        """Raise unless a plan fits into what is left.

        Raises:
            ConfigError: it does not; the message gives the figures, and nothing has been spent.
        """
        spent, calls = self._ledger.spent()
        if self._most_calls is not None and calls + plan.calls > self._most_calls:
            raise ConfigError(
                f"judge: {plan.calls} calls are needed, and {calls} of max_calls={self._most_calls} are made; "
                "nothing was sent: raise max_calls or judge fewer texts"
            )
        if self._most_dollars is not None and plan.dollars is not None and spent + plan.dollars > self._most_dollars:
            raise ConfigError(
                f"judge: about {plan.dollars:.4f} dollars are needed, and {spent:.4f} of budget={self._most_dollars} are spent; "
                "nothing was sent: raise the budget or judge fewer texts"
            )


class Charge:
    """Pays for the calls of one question: `open` before each, then `settle`, or `refund` if it cannot have been billed."""

    def __init__(self, budget: Budget, tokens_in: int, tokens_out: int) -> None:
        self._budget, self._tokens = budget, (tokens_in, tokens_out)
        self._reserved = budget.dollars_for(tokens_in, tokens_out) or 0.0

    def open(self) -> None:
        """Reserve the cost of a call, or raise `OverBudget`."""
        self._budget.reserve(self._reserved)

    def refund(self) -> None:
        """Give back what the last call reserved."""
        self._budget.correct(-self._reserved)

    def settle(self, tokens_in: int | None, tokens_out: int | None) -> None:
        """Replace the reserved dollars by what the endpoint says it used (None: it does not say)."""
        used = [said if said is not None else most for said, most in zip((tokens_in, tokens_out), self._tokens, strict=True)]
        self._budget.correct((self._budget.dollars_for(*used) or 0.0) - self._reserved)


def tokens_in(text: str) -> int:
    """Return an estimate, rather too high, of the tokens of a text."""
    return len(text.encode("utf-8", "replace")) // _CHARACTERS_PER_TOKEN + 16
