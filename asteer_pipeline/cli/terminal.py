"""What may reach a terminal, and how numbers look there. Generated text is untrusted: control characters could drive the terminal."""

import unicodedata
from typing import Any

UNDEFINED = "–"


def printable(text: str) -> str:
    """Return `text` without control and direction characters other than line breaks and tabs."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else "\N{REPLACEMENT CHARACTER}" for c in text)


def number(value: Any, digits: int = 2, *, signed: bool = False) -> str:
    """Return a share or correlation with fixed decimals and no zero before the point; an undefined one as a dash."""
    if value is None or value != value:
        return UNDEFINED
    shown = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    # A table of intervals must fit into 80 columns.
    return shown.replace("0.", ".", 1) if shown.lstrip("+-").startswith("0.") else shown


def interval(value: Any, low: Any, high: Any, *, signed: bool = False) -> str:
    """Return `value [low high]`."""
    if value is None or value != value:
        return UNDEFINED
    return f"{number(value, signed=signed)} [{number(low, signed=signed)} {number(high, signed=signed)}]"
