"""YAML files as a user writes them, read so that whatever stands in one ends in a value or in an error that names the file.

Belongs here: reading and the bounds on what is read. Does not: what a document must hold (whoever asked validates it).
"""

from pathlib import Path
from typing import Any

import yaml

from asteer_core.errors import AsteerError

MOST_VALUES = 200_000
"""Values in one document once its aliases are written out; a file of a few lines can stand for more than any memory holds."""


def read_yaml(path: Path, kind: type[AsteerError]) -> Any:
    """Return what the YAML file holds.

    Raises:
        AsteerError: of the given kind; it cannot be read, or see `parse_yaml`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise kind(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except (OSError, ValueError) as error:  # a name with a null character is a ValueError
        raise kind(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    return parse_yaml(text, str(path), kind)


def parse_yaml(text: str, where: str, kind: type[AsteerError]) -> Any:
    """Return what the YAML text holds.

    Raises:
        AsteerError: of the given kind; it is not YAML, refers to itself, or stands for more than `MOST_VALUES` values.
    """
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise kind(f"{where}: not YAML: {error}") from None
    except RecursionError:
        raise kind(f"{where}: not YAML that can be read: nested too deeply") from None
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        # The constructors of dates, numbers and tags raise their own for a scalar that only looks like one, such as 2024-13-40.
        raise kind(f"{where}: not YAML: a date, number or tag has no value ({error}); put text in quotes") from None
    if _size(value, {}, set()) > MOST_VALUES:
        raise kind(f"{where}: stands for more than {MOST_VALUES:,} values, or for itself, through its aliases (*name); write them out")
    return value


def _size(value: Any, known: dict[int, int], open_: set[int]) -> int:
    """Return the number of values with aliases written out; one more than is allowed for what holds itself."""
    if not isinstance(value, (dict, list, tuple, set)):
        return 1
    if id(value) in open_:
        return MOST_VALUES + 1
    if id(value) not in known:
        open_.add(id(value))
        inner = [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)
        known[id(value)] = 1 + sum(_size(item, known, open_) for item in inner)
        open_.discard(id(value))
    return known[id(value)]
