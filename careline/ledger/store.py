"""The ledger as the rest of careline reads it: cases, mentions, reply texts, the fence.

Promises: reading needs no fence and changes nothing; what is stored was decided by `apply` or
rebuilt by `recovery`, which alone write cases. Keys of a shard share one hash tag (``{s07}``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar, cast

from redis.asyncio import Redis

from careline.domain.case import Case, Line
from careline.domain.codec import dump_line, load_case, load_line
from careline.ledger.fence import Fence, Fenced, fence_of
from careline.ledger.scripts import FAILURES, Arg, Reply, Scripts, unavailable
from schemas.identity import shard_of_case, shard_tag
from schemas.mentions import MentionEdited, MentionReceived
from schemas.triage import MentionTriaged

T = TypeVar("T")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_PAGE: Final = 500


def to_ms(instant: datetime) -> int:
    """Return whole milliseconds, rounded up: nothing is due before its time."""
    return -((EPOCH - instant) // _MILLISECOND)


def from_ms(milliseconds: float) -> datetime:
    """Return the instant of a score."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def mention_raw(triaged: MentionTriaged, body: bytes | None = None) -> bytes:
    """Return a mention's record: its line with its length before it, then the JSON."""
    heard = triaged.heard
    line = heard.line.encode() if isinstance(heard, (MentionReceived, MentionEdited)) else b""
    return b"%d:%s%s" % (len(line), line, body or triaged.model_dump_json().encode())


def mention_of(raw: bytes) -> MentionTriaged:
    """Return the mention of a record."""
    size, _, rest = raw.partition(b":")
    return MentionTriaged.model_validate_json(rest[int(size) :])


def line_raw(line: Line) -> bytes:
    """Return a line's record: its case id, a line feed, then the JSON."""
    return (line.case_id or "").encode() + b"\n" + dump_line(line)


def line_of(raw: bytes) -> Line:
    """Return the line of a record."""
    return load_line(raw.partition(b"\n")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a shard has read its topics and been read itself."""

    inputs: dict[str, int]
    log: int | None
    log_epoch: int
    outbox: int


class Ledger:
    """Cases in Redis or Valkey, one shard for each partition."""

    def __init__(self, client: Redis, *, partitions: int) -> None:
        """Speak through this client; the number of partitions never changes."""
        self.partitions = partitions
        self._client = client
        self._scripts = Scripts(client)

    async def script(self, name: str, shard: int, *args: Arg) -> Reply:
        """Call a ledger script; raises ``Fenced`` if the fence does not hold."""
        return unfenced(shard, await self._scripts.run(name, shard, *args))

    @property
    def scripts(self) -> Scripts:
        """The scripts, for calls on many shards at once."""
        return self._scripts

    async def fence(self, shard: int) -> Fence:
        """Return what stands in the shard's epoch."""
        value, run_id = await self._scripts.run("fence", shard)
        return fence_of(value.decode(), run_id.decode())

    async def now(self) -> datetime:
        """Return the time by the ledger's own clock, the only one that deadlines go by."""
        seconds, micros = await self.asked(self._client.time())
        return EPOCH + timedelta(seconds=int(seconds), microseconds=int(micros))

    async def read_case(self, case_id: str) -> Case | None:
        """Return a case, or None if there is none of that id."""
        shard = shard_of_case(case_id)
        if shard is None:
            return None
        raw = await self.raw(shard, "cases", case_id)
        return load_case(raw) if raw else None

    async def read_mention(self, mention_id: str, shard: int) -> MentionTriaged | None:
        """Return the latest revision of a mention that was heard, with its text if not erased."""
        raw = await self.raw(shard, "mentions", mention_id)
        return mention_of(raw) if raw else None

    async def reply_text(self, effect_id: str, shard: int) -> str | None:
        """Return the text of a reply that was asked for."""
        raw = await self.raw(shard, "texts", effect_id)
        return raw.decode() if raw is not None else None

    async def line(self, line: str, shard: int) -> Line:
        """Return a line; one never heard of is empty."""
        raw = await self.raw(shard, "lines", line)
        return line_of(raw) if raw else Line()

    async def result_of(self, cause_id: str, shard: int) -> str | None:
        """Return what a cause ended in: its first event's id or ``refused:reason``; None: open."""
        raw = await self.raw(shard, "causes", cause_id)
        return raw.decode().partition("|")[2] if raw else None

    async def cases(self, shard: int) -> AsyncIterator[Case]:
        """Yield every case of a shard, in no order, each once."""
        async for raw in self.raw_cases(shard):
            yield load_case(raw)

    async def raw_cases(self, shard: int) -> AsyncIterator[bytes]:
        """Yield the stored bytes of every case of a shard, in no order, each case once."""
        seen: set[str] = set()
        async for name, raw in self.stored(shard, "cases"):
            if name not in seen:
                seen.add(name)
                yield raw

    async def stored(self, shard: int, name: str) -> AsyncIterator[tuple[str, bytes]]:
        """Yield the fields of a hash of a shard, in no order; one may come twice."""
        cursor = 0
        while True:
            cursor, page = await self.page(shard, name, cursor)
            for field, raw in page.items():
                yield field, raw
            if cursor == 0:
                return

    async def page(
        self, shard: int, name: str, cursor: int, *, count: int = _PAGE
    ) -> tuple[int, dict[str, bytes]]:
        """Return some fields of a hash, and where to go on; 0: from the beginning."""
        scanned = self._client.hscan(key(shard, name), cursor=cursor, count=count)
        then, found = await self.asked(cast("Awaitable[tuple[int, dict[bytes, bytes]]]", scanned))
        return then, {field.decode(): raw for field, raw in found.items()}

    async def due_times(self, shard: int) -> dict[str, datetime]:
        """Return the due-set of a shard: case id and time."""
        entries = self._client.zrange(key(shard, "due"), 0, -1, withscores=True)
        found = await self.asked(cast("Awaitable[list[tuple[bytes, float]]]", entries))
        return {case.decode(): from_ms(score) for case, score in found}

    async def position(self, shard: int) -> Position:
        """Return how far a shard is."""
        inputs = await self.asked(
            cast("Awaitable[dict[bytes, bytes]]", self._client.hgetall(key(shard, "in")))
        )
        log = await self.asked(cast("Awaitable[bytes | None]", self._client.get(key(shard, "log"))))
        outbox = await self.asked(self._client.xlen(key(shard, "outbox")))
        offset, _, epoch = (log or b"").partition(b"|")
        return Position(
            inputs={topic.decode(): int(last) for topic, last in inputs.items()},
            log=int(offset) if offset else None,
            log_epoch=int(epoch) if epoch else -1,
            outbox=outbox,
        )

    async def raw(self, shard: int, name: str, field: str) -> bytes | None:
        """Return the stored bytes of a field of a hash, or None."""
        return await self.asked(
            cast("Awaitable[bytes | None]", self._client.hget(key(shard, name), field))
        )

    async def asked(self, answer: Awaitable[T]) -> T:
        """Await an answer of the server, with its failures in our words."""
        try:
            return await answer
        except FAILURES as error:
            raise unavailable(error) from error

    @property
    def client(self) -> Redis:
        """The client, for keys that carry no promise (a connector's cursor)."""
        return self._client


def key(shard: int, name: str) -> str:
    """Return the name of a key of a shard, such as ``{s07}:cases``."""
    return f"{shard_tag(shard)}:{name}"


def unfenced(shard: int, reply: Reply) -> Reply:
    """Return the reply without its ``ok``. Raises ``Fenced`` if that is what it says."""
    if reply[0] == b"fenced":
        raise Fenced(shard, reply[1].decode())
    return reply[1:] if reply[0] == b"ok" else reply
