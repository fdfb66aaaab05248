"""Cases and lines as JSON, for the ledger.

Promises: what was dumped is loaded equal; a case that an older version stored is still read (fields
have defaults, the stored ``schema`` number tells an upcaster what it has before it).
"""

from __future__ import annotations

from pydantic import TypeAdapter

from careline.domain.case import Case, Line

_CASE: TypeAdapter[Case] = TypeAdapter(Case)
_LINE: TypeAdapter[Line] = TypeAdapter(Line)


def dump_case(case: Case) -> bytes:
    """Return the JSON of a case."""
    return _CASE.dump_json(case, exclude_defaults=True)


def load_case(raw: bytes) -> Case:
    """Return the case that the JSON holds. Raises ``pydantic.ValidationError``."""
    return _CASE.validate_json(raw)


def dump_line(line: Line) -> bytes:
    """Return the JSON of a line."""
    return _LINE.dump_json(line, exclude_defaults=True)


def load_line(raw: bytes) -> Line:
    """Return the line that the JSON holds. Raises ``pydantic.ValidationError``."""
    return _LINE.validate_json(raw)
