"""The table of steering methods. Method modules import it from here, so that none imports the package `__init__`.

Nothing else belongs here: formulas live in one file per method, shared shapes in `_base.py`.
"""

from __future__ import annotations

from asteer_core.methods._base import Method
from asteer_core.registry import Registry

METHODS: Registry[Method] = Registry("method", "asteer_core.methods")
"""Steering methods by name; a new one is one file in this package or a plug-in in the entry-point group `asteer.methods`."""
