"""What the stand-in servers accepted, in order, for a test or a demo to query afterwards.

Promise: every effect is recorded once, when it happened (`at`, epoch seconds of the wall clock),
with the request that caused it. Nothing is ever removed; queries by kind do not scan other kinds.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from careline.sandbox.common.wire import Json


class History:
    """An append-only list of records with an index per kind."""

    def __init__(self) -> None:
        """Start empty."""
        self._all: list[Json] = []
        self._by_kind: dict[str, list[Json]] = {}
        self.requests: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()

    def add(self, server: str, kind: str, facts: Json) -> Json:
        """Record one accepted effect and return the record (`ack` facts may be added later)."""
        record: Json = {
            "seq": len(self._all) + 1,
            "at": time.time(),
            "server": server,
            "kind": kind,
            **facts,
        }
        self._all.append(record)
        self._by_kind.setdefault(kind, []).append(record)
        return record

    def of(self, kind: str) -> list[Json]:
        """Give all records of one kind, oldest first."""
        return self._by_kind.get(kind, [])

    def counts(self) -> dict[str, int]:
        """Count records by kind."""
        return {kind: len(records) for kind, records in sorted(self._by_kind.items())}

    def query(
        self, *, kind: str = "", since: int = 0, limit: int = 1000, where: dict[str, str]
    ) -> list[Json]:
        """Give up to `limit` records after sequence number `since` whose facts equal `where`."""
        source = self.of(kind) if kind else self._all
        start = bisect_right(source, since, key=lambda record: int(record["seq"]))
        found: list[Json] = []
        for record in source[start:] if where else source[start : start + limit]:
            if all(str(_fact(record, name)) == wanted for name, wanted in where.items()):
                found.append(record)
                if len(found) >= limit:
                    break
        return found


def _fact(record: Json, name: str) -> object:
    """Look a fact up by dotted path, such as `metadata.event_payload.key`."""
    value: object = record
    for part in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value
