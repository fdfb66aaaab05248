"""Recently heard mentions that are looked up again, because networks do not tell of deletes.

Promise: bounded; survives a restart; an entry leaves only when its delete was acknowledged, when it
is too old, or when newer ones need its place.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable


class HashValue(Protocol):
    """The commands of Redis that the list needs."""

    def hgetall(self, name: str, /) -> Awaitable[Any]:
        """Return all fields."""
        ...

    def hset(self, name: str, /, *, mapping: Any) -> Awaitable[Any]:
        """Store fields."""
        ...

    def hdel(self, name: str, /, *keys: str) -> Awaitable[Any]:
        """Remove fields."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A mention as far as its delete must name it."""

    native_id: str
    revision_id: str
    root: str
    author_id: str
    handle: str
    heard_at: str
    missing: int = 0
    """How many look-ups in a row did not find it."""


class Watchlist:
    """The watched mentions of one account."""

    def __init__(self, client: HashValue, name: str, *, size: int, age_s: float) -> None:
        """Take a connected client and the list's bounds."""
        self._client = client
        self._key = f"watch:{name}"
        self._size = size
        self._age_s = age_s
        self._entries: OrderedDict[str, Watched] | None = None
        self._next = 0

    async def add(self, entries: Iterable[Watched]) -> None:
        """Watch mentions from now on."""
        known = await self._loaded()
        fresh = [e for e in entries if self._size and known.get(e.native_id) != e]
        if not fresh:
            return
        for entry in fresh:
            known[entry.native_id] = entry
        gone = [known.popitem(last=False)[0] for _ in range(len(known) - self._size)]
        kept = {e.native_id: json.dumps(asdict(e)) for e in fresh if e.native_id in known}
        if kept:
            await self._client.hset(self._key, mapping=kept)
        if gone:
            await self._client.hdel(self._key, *gone)

    async def remove(self, native_ids: Iterable[str]) -> None:
        """Watch no longer."""
        known = await self._loaded()
        gone = [native_id for native_id in native_ids if known.pop(native_id, None)]
        if gone:
            await self._client.hdel(self._key, *gone)

    async def missed(self, native_id: str) -> int:
        """Count a look-up that did not find a mention; return how many in a row."""
        known = await self._loaded()
        entry = replace(known[native_id], missing=known[native_id].missing + 1)
        await self.add([entry])
        return entry.missing

    async def next_batch(self, count: int, now: datetime) -> list[Watched]:
        """Return the next ones to look up, in turn; those that are too old leave."""
        known = await self._loaded()
        old = [
            native_id
            for native_id, entry in known.items()
            if (now - datetime.fromisoformat(entry.heard_at)).total_seconds() > self._age_s
        ]
        await self.remove(old)
        entries = list(known.values())
        start = self._next if self._next < len(entries) else 0
        self._next = start + count
        return entries[start : start + count]

    async def _loaded(self) -> OrderedDict[str, Watched]:
        if self._entries is None:
            stored = await self._client.hgetall(self._key)
            found = [Watched(**json.loads(value)) for value in stored.values()]
            found.sort(key=lambda entry: entry.heard_at)
            self._entries = OrderedDict((entry.native_id, entry) for entry in found)
        return self._entries
