"""The keys of one shard as a Redis server holds them, in memory.

Promise: strings, hashes, sorted sets and the outbox's stream behave as the ledger's scripts see
them, down to the bytes of an effect's record.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

StreamId = tuple[int, int]
Entry = tuple[StreamId, bytes, bytes]
"""An entry of the outbox: its id, the event's body, how many events its cause has."""

RECORD = re.compile(rb"^(\d+)\|(\d*)\|([01])\|([^|]*)\|(\d*)\|(\d*)\|([^\n]*)\n(.*)$", re.DOTALL)
_EMPTY: dict[bytes, bytes] = {}
HEALTHY = re.compile(rb"^\d+@")


@dataclass(slots=True)
class EffectRecord:
    """What the ledger knows of an effect's attempts, and its intent."""

    attempts: int
    attempted_at: bytes
    unknown: bytes
    outbox: bytes
    not_after: bytes
    asked_at: bytes
    cancelled: bytes
    intent: bytes

    @classmethod
    def of(cls, raw: bytes) -> EffectRecord:
        """Read a record."""
        found = RECORD.match(raw)
        if found is None:
            raise ValueError("no effect record")
        attempts, *rest = found.groups()
        return cls(int(attempts), *rest)

    def raw(self) -> bytes:
        """Write it again."""
        return b"%d|%b|%b|%b|%b|%b|%b\n%b" % (
            self.attempts,
            self.attempted_at,
            self.unknown,
            self.outbox,
            self.not_after,
            self.asked_at,
            self.cancelled,
            self.intent,
        )


@dataclass(slots=True)
class Keys:
    """The keys of one shard on one server."""

    run_id: bytes
    clock: Callable[[], int]
    """The server's own time in µs."""
    strings: dict[str, bytes] = field(default_factory=dict)
    hashes: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    zsets: dict[str, dict[bytes, float]] = field(default_factory=dict)
    outbox: list[Entry] | None = None
    last_id: StreamId = (0, 0)

    def copy(self, run_id: bytes | None = None) -> Self:
        """Return the same keys as another server holds them."""
        return type(self)(
            run_id or self.run_id,
            self.clock,
            dict(self.strings),
            {name: dict(found) for name, found in self.hashes.items()},
            {name: dict(found) for name, found in self.zsets.items()},
            None if self.outbox is None else list(self.outbox),
            self.last_id,
        )

    def flush(self) -> None:
        """FLUSHALL: every key is gone, the server is the same."""
        self.strings, self.hashes, self.zsets = {}, {}, {}
        self.outbox, self.last_id = None, (0, 0)

    def stands(self, wanted: bytes) -> tuple[bool, bytes]:
        """Say whether the epoch is the wanted one (empty: any healthy one), and what it is."""
        found = self.strings.get("epoch")
        if found is None:
            return False, b""
        if not self.own(found):
            return False, found
        if not wanted:
            return HEALTHY.match(found) is not None, found
        return found == wanted, found

    def own(self, epoch: bytes) -> bool:
        """Say whether an epoch names this server."""
        return epoch.endswith(b"@" + self.run_id)

    def hash(self, name: str) -> dict[bytes, bytes]:
        """Return a hash, made when it is first used."""
        return self.hashes.setdefault(name, {})

    def zset(self, name: str) -> dict[bytes, float]:
        """Return a sorted set, made when it is first used."""
        return self.zsets.setdefault(name, {})

    def get(self, name: str, field_name: bytes) -> bytes | None:
        """Return a field of a hash."""
        found = self.hashes.get(name)
        return None if found is None else found.get(field_name)

    def getter(self, name: str) -> Callable[[bytes], bytes | None]:
        """Return what looks up fields of a hash."""
        return self.hashes.get(name, _EMPTY).get

    def millis(self) -> int:
        """Return the server's time in ms."""
        return self.clock() // 1000

    def up_to(self, name: str, score: float, limit: int) -> list[bytes]:
        """Return the first members of a sorted set with a score up to this."""
        found = self.zsets.get(name)
        if not found:
            return []
        due = sorted((at, member) for member, at in found.items() if at <= score)
        return [member for _, member in due[:limit]]

    def append(self, body: bytes, parts: bytes) -> bytes:
        """XADD to the outbox; return the id."""
        if self.outbox is None:
            self.outbox = []
        stamp = self.millis()
        last = self.last_id
        self.last_id = (stamp, 0) if stamp > last[0] else (last[0], last[1] + 1)
        self.outbox.append((self.last_id, body, parts))
        return b"%d-%d" % self.last_id


def stream_id(raw: bytes) -> StreamId:
    """Return the two numbers of a stream id."""
    stamp, _, number = raw.partition(b"-")
    return int(stamp), int(number)
