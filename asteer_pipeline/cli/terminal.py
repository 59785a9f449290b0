"""What may reach a terminal, and how numbers look there. Generated text is untrusted: control characters could drive the terminal."""

import unicodedata
from typing import Any

UNDEFINED = "–"


def printable(text: str) -> str:
    """Return `text` without control and direction characters other than line breaks and tabs."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else "\N{REPLACEMENT CHARACTER}" for c in text)


def number(value: Any, digits: int = 2, *, signed: bool = False) -> str:
    """Return a number with fixed decimals; an undefined one as a dash."""
    if value is None or value != value:
        return UNDEFINED
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"


def interval(value: Any, low: Any, high: Any, *, signed: bool = False) -> str:
    """Return `value [low, high]`."""
    if value is None or value != value:
        return UNDEFINED
    return f"{number(value, signed=signed)} [{number(low, signed=signed)}, {number(high, signed=signed)}]"
