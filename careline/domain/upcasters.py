"""Stored cases of older versions, brought up to date one version at a time.

Promises: an upcaster is a pure function from the JSON of one version to that of the next; none is
ever removed or changed, because the log keeps what it was written for. A new optional field needs
none: fields have defaults. A field that changes its name or meaning does, and `SCHEMA` grows by 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

State = dict[str, Any]
Upcaster = Callable[[State], State]
"""From the JSON of a version to that of the next one; it changes a copy."""

CASES: Final[Mapping[int, Upcaster]] = MappingProxyType({})
"""Version → what makes the next one of it. Empty while `careline.domain.case.SCHEMA` is 1."""


def upcast(state: State, version: int, wanted: int, table: Mapping[int, Upcaster]) -> State:
    """Return the state as the wanted version would have stored it; a newer one as it is.

    Raises ``ValueError`` if the table has a hole: a version was made without its upcaster.
    """
    for step in range(version, wanted):
        if step not in table:
            msg = f"no upcaster from version {step} to {step + 1}"
            raise ValueError(msg)
        state = {**table[step](dict(state)), "schema": step + 1}
    return state
