"""Files of mentions to label: what triage said of each, and room for what it really is.

Promise: JSON lines or CSV by the name of the file, the same columns in both; a file that comes back
is read whole or refused with the line and the field; cells that a spreadsheet would take for a
formula are made harmless. What a file says of a mention is believed only where a person may say it:
`query`, `sentiment`, `urgency`.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from careline.runtime.errors import ConfigurationError
from schemas.triage import Sentiment, Urgency

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_CSV: Final = ".csv"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_YES: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_LINE_MAX: Final = 200_000
_LINES_MAX: Final = 100_000


class Labelled(BaseModel):
    """One mention: where it is, what triage said, its words, and the label if there is one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mention_id: str
    case_id: str = ""
    heard_at: str = ""
    visibility: str = ""
    language: str = ""
    said_query: bool | None = None
    said_sentiment: Sentiment | None = None
    said_urgency: Urgency | None = None
    said_because: str = ""
    text: str = ""
    query: bool | None = None
    """Whether somebody expects an answer; empty: not labelled."""
    sentiment: Sentiment | None = None
    urgency: Urgency | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return value[1:] if value[:1] == "'" and value[1:2] in _FORMULA else value

    @field_validator(
        "query",
        "said_query",
        "sentiment",
        "said_sentiment",
        "urgency",
        "said_urgency",
        mode="before",
    )
    @classmethod
    def _empty(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return value.strip().lower() or None

    @field_validator("query", "said_query", mode="before")
    @classmethod
    def _yes_or_no(cls, value: object) -> object:
        if isinstance(value, str):
            if (plain := value.strip().lower()) and plain not in _YES:
                raise ValueError(f"{value!r} is neither yes nor no")
            return _YES.get(plain)
        return value

    @property
    def is_labelled(self) -> bool:
        """Whether somebody has said what it is."""
        return self.query is not None


COLUMNS: Final = tuple(Labelled.model_fields)


def written(rows: Iterable[Labelled], path: Path) -> str:
    """Return the content of a file of that name."""
    if path.suffix.lower() != _CSV:
        return "".join(
            json.dumps(_plain(row), ensure_ascii=False, default=str) + "\n" for row in rows
        )
    made = io.StringIO(newline="")
    writer = csv.DictWriter(made, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in _plain(row).items()})
    return made.getvalue()


def read(path: Path) -> list[Labelled]:
    """Read a file that was labelled. Raises ConfigurationError: which line is wrong, and why."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({type(error).__name__})", hint="is it UTF-8, and readable?"
        ) from None
    rows = _table(text) if path.suffix.lower() == _CSV else _lines(text, path)
    found: list[Labelled] = []
    for number, row in rows:
        if number > _LINES_MAX:
            raise ConfigurationError(
                f"{path}: more than {_LINES_MAX} lines", hint="import it in parts"
            )
        try:
            found.append(Labelled.model_validate(row))
        except ValidationError as error:
            raise ConfigurationError(
                f"{path}, line {number}: {_fault(error)}",
                hint="correct the line, then import again",
            ) from None
    return found


def _lines(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            # What is too long is cut, and then no JSON any more.
            yield number, json.loads(line[:_LINE_MAX])
        except (ValueError, RecursionError):
            raise ConfigurationError(
                f"{path}, line {number}: no JSON object", hint="one object on each line"
            ) from None


def _table(text: str) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    for row in reader:
        yield reader.line_num, {name: value for name, value in row.items() if name is not None}


def _fault(error: ValidationError) -> str:
    """Say what is wrong, without the customer's words."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "line"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"


def _plain(row: Labelled) -> dict[str, Any]:
    return row.model_dump(mode="json")


def _cell(value: object) -> str:
    """Return a value as a cell: nothing is a formula, yes and no are words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    # A carriage return alone ends a line for some readers, and is quoted by no writer.
    text = "" if value is None else str(value).replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(_FORMULA) else text
