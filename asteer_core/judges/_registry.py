"""The table of judges. Judge modules import it from here, so that none imports the package `__init__`."""

from __future__ import annotations

from typing import Any

from asteer_core.registry import Registry

JUDGES: Registry[type[Any]] = Registry("judge", "asteer_core.judges")
"""Judges by name; a new one is one file in this package or a plug-in in the entry-point group `asteer.judges`."""
