"""Plants a bug: the modules it names are compiled from an edited source when they are imported.

Promise: a place that is not there any more, or not alone, is an error, so that a bug cannot quietly
turn into none; and so is a module that was imported before.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType

from tests.simulation.bugs import Bug, Edit


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module's source with its edits, and never its cached byte code."""

    def __init__(self, name: str, path: str, edits: Sequence[Edit]) -> None:
        super().__init__(name, path)
        self._edits = edits

    def get_code(self, _: str) -> CodeType:
        """Compile the edited source."""
        source = self.get_data(self.path).decode()
        for edit in self._edits:
            if source.count(edit.old) != 1:
                raise LookupError(f"{edit.module} has no single place {edit.old!r}")
            source = source.replace(edit.old, edit.new)
        return compile(source, self.path, "exec", dont_inherit=True)


class Planter(importlib.abc.MetaPathFinder):
    """Finds the edited modules before anybody else does."""

    def __init__(self, bug: Bug) -> None:
        """Plant this bug."""
        self._edits: dict[str, list[Edit]] = {}
        for edit in bug.edits:
            self._edits.setdefault(edit.module, []).append(edit)

    def plant(self) -> None:
        """Change everything that is imported from here on."""
        early = sorted(self._edits.keys() & sys.modules.keys())
        if early:
            raise RuntimeError(f"imported already: {early}")
        sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of an edited module; None for all others."""
        if fullname not in self._edits:
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path)
        if found is None or found.origin is None:
            return None
        loader = _Loader(fullname, found.origin, self._edits[fullname])
        return importlib.util.spec_from_file_location(fullname, found.origin, loader=loader)
