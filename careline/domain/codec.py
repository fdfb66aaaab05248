"""Cases and lines as JSON, for the ledger and for the snapshots in the log.

Promises: what was dumped is loaded equal; a case that an older version stored is still read: its
``schema`` number is written with it (absent: 1), and `careline.domain.upcasters` brings it up to
date. One that a newer version stored is read as far as this one knows it.
"""

from __future__ import annotations

from typing import Any, Final, cast

import orjson
from pydantic import TypeAdapter

from careline.domain.case import SCHEMA, Case, Line
from careline.domain.upcasters import CASES, upcast

_CASE: TypeAdapter[Case] = TypeAdapter(Case)
_LINE: TypeAdapter[Line] = TypeAdapter(Line)
_CURRENT: Final = b'{"schema":%d,' % SCHEMA


def dump_case(case: Case) -> bytes:
    """Return the JSON of a case, its schema number first."""
    return _CURRENT + _CASE.dump_json(case, exclude_defaults=True, exclude={"schema"})[1:]


def load_case(raw: bytes) -> Case:
    """Return the case that the JSON holds. Raises ``ValueError`` (pydantic's, or orjson's)."""
    if raw.startswith(_CURRENT):
        return _CASE.validate_json(raw)
    return case_of(orjson.loads(raw))


def case_state(case: Case) -> dict[str, Any]:
    """Return a case as plain JSON values, as a snapshot holds it."""
    return cast("dict[str, Any]", orjson.loads(dump_case(case)))


def case_of(state: dict[str, Any]) -> Case:
    """Return the case of `case_state`, of this version or an older one. Raises ``ValueError``."""
    found = upcast(state, int(state.get("schema", 1)), SCHEMA, CASES)
    return _CASE.validate_json(orjson.dumps(found))


def dump_line(line: Line) -> bytes:
    """Return the JSON of a line."""
    return _LINE.dump_json(line, exclude_defaults=True)


def load_line(raw: bytes) -> Line:
    """Return the line that the JSON holds. Raises `pydantic.ValidationError`."""
    return _LINE.validate_json(raw)
