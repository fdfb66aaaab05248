"""What the command line says: results on standard output, all else on standard error.

Promise: with `--json` standard output holds exactly one JSON document; progress is drawn on a
terminal only; colour is never the only sign and follows NO_COLOR; an error is one line, `what: … →
next step`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from careline.runtime.errors import CarelineError
from careline.settings import wants_colour

OK: Final = 0
NO: Final = 1
"""The answer is no: a balance that does not close, topics that differ, a check that failed."""
CANNOT: Final = 2
"""It could not be done as asked: wrong settings or arguments."""

Json = Annotated[
    bool,
    typer.Option(
        "--json", help="One JSON document on standard output, all else on standard error."
    ),
]

_PLAIN_EVERY_S: Final = 15.0
_COLOURS: Final = {"green": "32", "yellow": "33", "red": "31", "bold": "1", "dim": "2"}


def say(text: str = "") -> None:
    """Write a line of the result to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tell(text: str = "") -> None:
    """Write a line about the result to standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def say_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write the one JSON document."""
    sys.stdout.write(json.dumps(document, ensure_ascii=True, indent=2, default=str) + "\n")
    sys.stdout.flush()


def tell_error(error: CarelineError) -> None:
    """Write one line: what is wrong and what to do next."""
    line = " ".join(error.message.split())
    hint = " ".join(error.hint.split())
    tell(f"careline: {line} → {hint}" if hint else f"careline: {line}")


def paint(text: str, colour: str, *, stream: Any = None) -> str:
    """Colour a text where the stream is a terminal that wants it."""
    where = sys.stdout if stream is None else stream
    if not where.isatty() or not wants_colour():
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def table(rows: Sequence[Sequence[str]], *, gap: int = 2) -> list[str]:
    """Align rows in columns, the last one ragged."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "".join(cell.ljust(width + gap) for cell, width in zip(row, widths, strict=False)) + row[-1]
        for row in rows
    ]


class Progress:
    """One line on a terminal that is drawn over itself; elsewhere a plain line now and then."""

    def __init__(self) -> None:
        """Find out whether anybody looks."""
        self._live = sys.stderr.isatty()
        self._drawn = 0
        self._told_at = time.monotonic()

    def show(self, text: str) -> None:
        """Draw the line anew."""
        if self._live:
            sys.stderr.write("\r" + text.ljust(self._drawn))
            sys.stderr.flush()
            self._drawn = len(text)
        elif time.monotonic() - self._told_at >= _PLAIN_EVERY_S:
            self._told_at = time.monotonic()
            tell(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._live and self._drawn:
            sys.stderr.write("\r" + " " * self._drawn + "\r")
            sys.stderr.flush()
            self._drawn = 0
