"""Reads the lines of a file of posts: JSONL, CSV or TSV, plain or gzip.

Promise: every line that is not blank comes out once, with its number, as a row or as malformed; one
bad line costs only itself. What cannot be opened or unpacked at all is a `ConfigurationError`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

from careline.runtime.errors import ConfigurationError

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("id", "tweet_id"),
    "author": ("author_id", "author", "username"),
    "inbound": ("inbound",),
    "created_at": ("created_at", "time"),
    "text": ("text",),
    "parent": ("in_reply_to", "in_response_to_tweet_id"),
    "conversation": ("conversation", "conversation_id"),
    "company": ("company", "brand"),
    "part": ("part",),
}
_FIELD_MAX: Final = 16 * 1024 * 1024
_NO: Final = frozenset({"false", "0", "no"})


@dataclass(slots=True, kw_only=True)
class Row:
    """One line as the file has it."""

    line: int
    id: str
    author: str
    inbound: bool
    text: str
    created_at: datetime | None
    parent: str | None
    conversation: str | None
    company: str | None
    part: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """One line that is no post."""

    line: int
    value: bytes
    reason: str


def read_rows(path: Path, columns: Mapping[str, str]) -> Iterator[Row | Malformed]:
    """Read a file's lines in order. Raises ``ConfigurationError`` if it cannot be read at all."""
    unknown = set(columns) - set(ALIASES)
    if unknown:
        raise ConfigurationError(
            f"{', '.join(sorted(unknown))} is no column of a replay",
            hint=f"columns that can be mapped: {', '.join(ALIASES)}",
        )
    names = {
        ours: (columns[ours], *known) if ours in columns else known
        for ours, known in ALIASES.items()
    }
    for line, raw, content in _lines(path, _text(path)):
        try:
            yield _row(line, content, names)
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            value = raw.encode("utf-8", "surrogateescape")
            yield Malformed(line=line, value=value, reason=_reason(error))


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if path.name.endswith(".gz") else raw
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(
            f"cannot read {path} ({type(error).__name__})",
            hint="give a .jsonl, .csv or .tsv file, plain or .gz",
        ) from error
    # Bytes that are no UTF-8 stay with their own line and spoil no other.
    return data.decode("utf-8", "surrogateescape")


def _lines(path: Path, text: str) -> Iterator[tuple[int, str, object]]:
    """Give each line's number, its text for a dead letter, and its content."""
    kind = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    if kind not in {"csv", "tsv"}:
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield number, line, _object(line)
        return
    csv.field_size_limit(_FIELD_MAX)
    delimiter = "\t" if kind == "tsv" else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    for number, row in enumerate(_csv_rows(rows), start=1):
        yield number, json.dumps(row, ensure_ascii=True, default=str), row


def _csv_rows(rows: csv.DictReader[str]) -> Iterator[object]:
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield str(error)


def _object(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _row(line: int, content: object, names: Mapping[str, tuple[str, ...]]) -> Row:
    if not isinstance(content, dict):
        raise TypeError("not_an_object")
    row: dict[str, Any] = content

    def value(name: str) -> Any:
        return next((row[key] for key in names[name] if row.get(key) not in (None, "")), None)

    def optional(name: str) -> str | None:
        found = value(name)
        return None if found is None else _plain(found)

    inbound = str(value("inbound")).lower() not in _NO
    author = optional("author") or (None if inbound else optional("company"))
    text = value("text")
    if author is None:
        raise ValueError("missing:author")
    if not isinstance(text, str):
        raise TypeError("missing:text")
    return Row(
        line=line,
        id=optional("id") or f"line-{line}",
        author=author,
        inbound=inbound,
        text=text,
        created_at=_time(value("created_at")),
        parent=optional("parent"),
        conversation=optional("conversation"),
        company=optional("company"),
        part=optional("part"),
    )


def _plain(value: Any) -> str:
    if isinstance(value, dict | list):
        raise TypeError("not_plain")
    return str(value)


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    text = str(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = parsedate_to_datetime(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _reason(error: Exception) -> str:
    said = str(error)
    known = ("not_an_object", "missing:", "not_plain")
    return said if said.startswith(known) else "invalid:created_at"
