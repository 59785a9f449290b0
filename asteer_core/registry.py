"""Name -> object tables that fill themselves: a new method, metric, judge or detector is one new file.

A registry imports the modules of its own package on first use, then the entry points of installed plug-ins
(group `asteer.<kind>s`), so nothing is imported, and no list edited, before somebody asks for a name.
"""

import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from asteer_core.errors import ConfigError, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of named objects of one kind.

    Args:
        kind: singular noun shown in errors and used for the entry-point group (`asteer.<kind>s`).
        package: dotted name of the package whose modules register themselves when imported.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._objects: dict[str, T] = {}
        self._filled = False

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that stores its argument under `name` and returns it unchanged.

        Raises:
            ConfigError: another object has that name already.
        """

        def keep(item: T) -> T:
            if name in self._objects and self._objects[name] is not item:
                raise ConfigError(f"{self.kind} {name!r} is registered twice; names must be unique, so rename one of them")
            self._objects[name] = item
            return item

        return keep

    def get(self, name: str) -> T:
        """Return the object registered under `name`.

        Raises:
            ConfigError: no such name; the message lists the known ones and the nearest.
        """
        self._fill()
        if name not in self._objects:
            raise unknown_name(self.kind, name, self._objects)
        return self._objects[name]

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        self._fill()
        return sorted(self._objects)

    def _fill(self) -> None:
        if self._filled:
            return
        self._filled = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self._package}.{module.name}")
        for entry in entry_points(group=f"asteer.{self.kind}s"):
            try:
                self.register(entry.name)(entry.load())
            except ConfigError:
                raise
            except Exception as error:
                raise ConfigError(
                    f"plug-in {entry.value!r} ({self.kind} {entry.name!r}) cannot be imported: {error}; "
                    "repair or uninstall the package that provides it"
                ) from error
