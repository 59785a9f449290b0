"""The error family: what a user can fix. Bugs raise plain exceptions; `assert` never validates.

A message says where (file, row, concept, configuration), what was got, what is expected, and the remedy.
"""

import difflib
from collections.abc import Iterable


class AsteerError(Exception):
    """Base of every error that a user can fix; the command line shows its message without a traceback."""


class DataError(AsteerError):
    """A file or row of a concept, corpus or data set is missing, broken or inconsistent."""


class ConfigError(AsteerError):
    """A study file, registry entry or command-line option is wrong."""


class ModelError(AsteerError):
    """A model cannot be loaded, steered or scored as asked."""


class StoreError(AsteerError):
    """A stored artifact is missing, truncated, or from another version."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" with the nearest of the known names, or "" where none is near; it goes behind a sentence."""
    near = difflib.get_close_matches(str(name), sorted(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """Return the error for an unknown name, with the nearest known names and the full list."""
    names = sorted(known)
    return ConfigError(f"unknown {kind} {name!r}.{did_you_mean(name, names)} Registered: {', '.join(names) or '(none)'}.")
