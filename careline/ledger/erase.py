"""An author is forgotten: their words and names leave the ledger, and stay away.

Promises: the erasure is a command in every shard, which leaves a tombstone in the ledger and in the
log, so that neither a replay nor a rebuild brings a word back; what is stored is swept behind it,
by whoever asked and again by the housekeeping. Cases, ids and deadlines stay: nobody's query is
dropped with its words. Cards are asked for anew, and find no words.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from careline.domain.case import Case
from careline.domain.codec import load_case
from careline.ledger.bare import bared, target_of
from careline.ledger.fence import Fenced
from careline.ledger.store import Ledger, mention_of, mention_raw
from careline.ledger.sweeping import Change, drop_replies, swap, time_of
from careline.runtime.clock import Clock, SystemClock
from careline.runtime.kafka import Producer
from schemas.commands import Actor, ActorKind, EraseAuthor
from schemas.identity import author_hash, erasure_id
from schemas.mentions import BrandPosted, MentionEdited, MentionReceived
from schemas.packing import pack_command
from schemas.topics import CASES_COMMANDS
from schemas.triage import MentionTriaged

_SOURCE: Final = "careline/erase"
_POLL_S: Final = 0.2
_BATCH: Final = 500
_OPERATOR: Final = Actor(kind=ActorKind.OPERATOR, id="careline erase")


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody on a network, by id."""

    network: str
    id: str

    @property
    def hash(self) -> str:
        """Under which the erasure is remembered."""
        return author_hash(self.network, self.id)


@dataclass(slots=True)
class Held:
    """What a shard holds of an author."""

    mentions: dict[str, Change] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)


@dataclass(slots=True)
class Swept:
    """What was taken away."""

    mentions: int = 0
    replies: int = 0
    cards: int = 0


async def held(ledger: Ledger, shard: int, author: Author) -> Held:
    """Return what there is to be erased in a shard; reads only."""
    found = Held()
    said: set[str] = set()
    posts: list[tuple[str, bytes, MentionTriaged]] = []
    async for name, raw in ledger.stored(shard, "mentions"):
        triaged = mention_of(raw)
        heard = triaged.heard
        if isinstance(heard, BrandPosted):
            posts.append((name, raw, triaged))
        elif isinstance(heard, (MentionReceived, MentionEdited)) and _is_of(heard, author):
            said.add(name)
            found.mentions |= _change(name, raw, triaged)
    for name, raw, triaged in posts:
        if isinstance(triaged.heard, BrandPosted) and target_of(triaged.heard) in said:
            found.mentions |= _change(name, raw, triaged)
    async for raw in ledger.raw_cases(shard):
        if author.id.encode() in raw:
            case = load_case(raw)
            if (case.network, case.author_id) == (author.network, author.id):
                found.cases.append(case)
    return found


async def announce(
    producer: Producer, author: Author, *, partitions: int, clock: Clock | None = None
) -> dict[int, str]:
    """Send the command to every shard; return its id in each. Raises ``Unavailable``."""
    now = (clock or SystemClock()).now()
    sent: dict[int, str] = {}
    for shard in range(partitions):
        command = EraseAuthor(
            command_id=str(uuid.uuid4()),
            case_id=erasure_id(shard, author.hash),
            issued_at=now,
            actor=_OPERATOR,
            author_hash=author.hash,
        )
        packed = pack_command(command, source=_SOURCE)
        await producer.send(CASES_COMMANDS.name, shard, packed)
        sent[shard] = command.command_id
    return sent


async def not_taken_in(ledger: Ledger, sent: dict[int, str], *, within: float) -> list[int]:
    """Wait until the shards have committed the command; return those that have not in time."""
    waiting = dict(sent)
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while waiting:
        for shard, command in list(waiting.items()):
            if await ledger.result_of(command, shard) is not None:
                del waiting[shard]
        if not waiting or loop.time() >= end:
            break
        await asyncio.sleep(_POLL_S)
    return sorted(waiting)


async def sweep(ledger: Ledger, shard: int, author: Author) -> Swept:
    """Take away what a shard holds. Raises ``Fenced``, `LedgerUnavailable`: sweep again."""
    fence = await ledger.fence(shard)
    if not fence.healthy:
        raise Fenced(shard, fence.value)
    found = await held(ledger, shard, author)
    done = Swept(cards=sum(case.card is not None for case in found.cases))
    for changes in _pages(found.mentions):
        done.mentions += await swap(ledger, shard, fence, "mentions", changes)
    if found.cases:
        # Whose reply a settled text was is not known any more: all settled ones go.
        names = [name async for name, _ in ledger.stored(shard, "texts")]
        before = await time_of(ledger, shard) + timedelta(days=1)
        done.replies = await drop_replies(ledger, shard, fence, names, before=before)
        shown = [case for case in found.cases if case.card is not None]
        await swap(ledger, shard, fence, "mentions", {}, cards=shown)
    return done


def _is_of(heard: MentionReceived | MentionEdited, author: Author) -> bool:
    return (heard.conversation.network, heard.author.id) == (author.network, author.id)


def _change(name: str, raw: bytes, triaged: MentionTriaged) -> dict[str, Change]:
    bare = mention_raw(bared(triaged))
    return {} if bare == raw else {name: Change(raw, bare)}


def _pages(changes: dict[str, Change]) -> Iterator[dict[str, Change]]:
    names = list(changes)
    for at in range(0, len(names), _BATCH):
        yield {name: changes[name] for name in names[at : at + _BATCH]}
