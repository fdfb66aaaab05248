"""Where each source was read up to, and when its unfinished page was first heard.

Promise: a cursor moves only by `moved`, after the acknowledgement of everything before it. A page
that is read again after a crash keeps the instant at which it was first heard. A lost cursor is
found again in the topic, from the headers of what was published; only a source of which nothing
was ever published counts as a first connect.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from connectors.errors import ConnectorGap
from schemas.envelope import header
from schemas.topics import MENTIONS_RECEIVED

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from careline.runtime.kafka import LogReader, Record
    from connectors.base import Where

SOURCE_PREFIX: Final = "/connectors/"


class KeyValue(Protocol):
    """The two commands of Redis that cursors need; `careline.runtime.redis` gives the client."""

    def get(self, name: str, /) -> Awaitable[Any]:
        """Return a value, or None."""
        ...

    def set(self, name: str, value: str, /) -> Awaitable[Any]:
        """Store a value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of a source."""

    cursor: str
    floor: str = ""
    """The cursor of the first connect: a sweep opens nothing from before it."""
    pending_up_to: int | None = None
    """The highest position of the page under way when it was last seen."""
    pending_since: datetime | None = None
    """When that page was heard."""


class Cursors:
    """The cursors of all sources, in Redis."""

    def __init__(self, client: KeyValue) -> None:
        """Take a connected client."""
        self._client = client
        self._floors: dict[str, str] = {}

    async def load(self, where: Where) -> Kept | None:
        """Return what is kept of a source; None if nothing is."""
        raw = await self._client.get(_key(where))
        if raw is None:
            return None
        stored = json.loads(raw)
        since = stored.get("since")
        return Kept(
            cursor=str(stored["cursor"]),
            floor=str(stored.get("floor", "")),
            pending_up_to=stored.get("up_to"),
            pending_since=None if since is None else datetime.fromisoformat(since),
        )

    async def connected(self, where: Where, cursor: str) -> None:
        """Note a first connect."""
        await self._store(where, {"cursor": cursor, "floor": cursor})

    async def begin(self, where: Where, cursor: str, *, up_to: int, at: datetime) -> None:
        """Note, before a page is published, which it is and when it was heard."""
        since = at.astimezone(UTC).isoformat()
        await self._store(
            where, {"cursor": cursor, **await self._floor(where), "up_to": up_to, "since": since}
        )

    async def moved(self, where: Where, cursor: str) -> None:
        """Note that everything before the cursor is acknowledged."""
        await self._store(where, {"cursor": cursor, **await self._floor(where)})

    async def _floor(self, where: Where) -> dict[str, str]:
        if where.key not in self._floors:
            kept = await self.load(where)
            self._floors[where.key] = kept.floor if kept else ""
        floor = self._floors[where.key]
        return {"floor": floor} if floor else {}

    async def _store(self, where: Where, value: dict[str, Any]) -> None:
        await self._client.set(_key(where), json.dumps(value, separators=(",", ":")))
        self._floors[where.key] = str(value.get("floor", ""))


def _key(where: Where) -> str:
    return f"cursor:{where.key}"


def ce_source(where: Where) -> str:
    """Return the CloudEvents source of a source's records; by it they are found again."""
    return f"{SOURCE_PREFIX}{where.key}"


class PublishedCursors:
    """The latest cursor that the topic knows of each source; the topic is read once, if at all."""

    def __init__(self, reader: LogReader, *, partitions: int) -> None:
        """Take a started reader."""
        self._reader = reader
        self._partitions = partitions
        self._found: dict[str, tuple[int, str]] | None = None
        self._turn = asyncio.Lock()

    async def latest(self, where: Where) -> str | None:
        """Return the latest published cursor of a source, or None if it never published.

        Raises:
            ConnectorGap: the source has published, but no cursor can be read from it.
        """
        async with self._turn:
            if self._found is None:
                self._found = await self._read_all()
        known = self._found.get(ce_source(where))
        if known is None:
            return None
        if not known[1]:
            raise ConnectorGap(
                f"{where.key}: its records are in the topic, but none says where it stood",
                hint="messages may be missing: look at the network itself for this account",
            )
        return known[1]

    async def _read_all(self) -> dict[str, tuple[int, str]]:
        found: dict[str, tuple[int, str]] = {}
        topic = MENTIONS_RECEIVED.name
        for partition in range(self._partitions):
            start = await self._reader.beginning(topic, partition)
            end = await self._reader.end(topic, partition)
            async for batch in self._reader.read(topic, partition, start, end):
                for record in batch:
                    _note(found, record)
        return found


def _note(found: dict[str, tuple[int, str]], record: Record) -> None:
    """Keep the newest cursor: everything before it had been acknowledged when it was written."""
    source = header(record.headers, "source") or ""
    if not source.startswith(SOURCE_PREFIX):
        return
    cursor = header(record.headers, "cursor") or ""
    known = found.get(source)
    if known is None or (cursor and (not known[1] or record.timestamp_ms >= known[0])):
        found[source] = (record.timestamp_ms, cursor)
