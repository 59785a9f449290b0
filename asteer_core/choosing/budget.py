"""A budget of generated responses: a number, or a share of what the full grid would take."""

from __future__ import annotations

import re
from dataclasses import dataclass

from asteer_core.errors import ConfigError

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(k|m)?\s*-?\s*(responses)?", re.IGNORECASE)
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_SCALE = {"": 1, "k": 1000, "m": 1_000_000}
AUTO = "auto"
"""The budget of who names none."""
AUTO_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Budget:
    """Responses that a search may generate: `responses`, or `share` (0 to 1) of the full grid. Exactly one is set.

    `rises`: to what the smallest search takes, where the share is less; so a grid of a few configurations can be searched as well.
    """

    responses: int | None = None
    share: float | None = None
    rises: bool = False

    def of(self, grid: int, least: int = 0) -> int:
        """Return the budget in responses where the full grid takes `grid` and the smallest search `least`; a share is rounded down."""
        found = self.responses if self.responses is not None else int(float(self.share or 0) * grid + 1e-9)
        return max(found, least) if self.rises else found


def parse_budget(text: str) -> Budget:
    """Return the budget that `text` names: `20k-responses`, `20000`, `1.5k`, `15%` of the full grid, or `auto`.

    `auto` is 15 % of the full grid, or what the smallest search takes where that is more: with six configurations, 15 % is less than
    one of them in full.

    Raises:
        ConfigError: another form, nothing at all, or a share above 100 %.
    """
    wanted = text.strip()
    if wanted.lower() == AUTO:
        return Budget(share=AUTO_SHARE, rises=True)
    if match := _SHARE.fullmatch(wanted):
        share = float(match[1]) / 100
        if not 0 < share <= 1:
            raise ConfigError(f"budget {text!r}: a share of the grid lies above 0 % and is at most 100 %")
        return Budget(share=share)
    match = _FORM.fullmatch(wanted)
    responses = round(float(match[1]) * _SCALE[(match[2] or "").lower()]) if match else 0
    if responses < 1:
        raise ConfigError(
            f"budget {text!r}: expected auto, responses such as 20k-responses or 2000, or a share of the full grid such as 15%"
        )
    return Budget(responses=responses)
