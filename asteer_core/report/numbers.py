"""How a number, an interval or a text looks in the report."""

import unicodedata
from typing import Any

UNDEFINED = "–"


def number(value: Any, digits: int = 2, *, signed: bool = False) -> str:
    """Return a number with fixed decimals and a true minus; an undefined one as a dash."""
    if value is None or value != value:
        return UNDEFINED
    return (f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}").replace("-", "\N{MINUS SIGN}")


def percent(value: Any) -> str:
    """Return a share in percent without decimals."""
    return UNDEFINED if value is None or value != value else f"{100 * value:.0f} %"


def span(low: Any, high: Any, digits: int = 2, *, signed: bool = False) -> str:
    """Return `[low, high]`, or an empty text where an end is undefined."""
    if low is None or high is None:
        return ""
    return f"[{number(low, digits, signed=signed)}, {number(high, digits, signed=signed)}]"


def percent_span(low: Any, high: Any) -> str:
    """Return an interval of shares in percent, or an empty text where an end is undefined."""
    return "" if low is None or high is None else f"{100 * low:.0f}–{100 * high:.0f} %"


def cell(value: Any) -> str:
    """Return a value as it stands in a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, 3)
    return UNDEFINED if value is None else visible(str(value))


def with_interval(value: Any, low: Any, high: Any, digits: int = 3) -> str:
    """Return a value with its interval behind it, where there is one."""
    return f"{number(value, digits)} {span(low, high, digits)}".rstrip()


def counted(number: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def tight(text: str) -> str:
    """Return text in which no line breaks between a number and its percent sign."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def visible(text: str) -> str:
    """Return text without control and direction characters, which could make it read otherwise than it is."""
    return "".join(
        character
        if character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
        else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
