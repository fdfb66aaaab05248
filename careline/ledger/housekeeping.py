"""What the ledger does for the long run: snapshots into the log, and what is old enough leaves.

Promises: one pass does a bounded piece of work and goes on where the last one stopped; everything
is written under the fence, and only if it still is as it was seen. A live case never leaves; a
closed one leaves when the log has forgotten it too. A shard is tidied by its owner; two who tidy at
once can only repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from careline.domain.case import Case
from careline.domain.codec import load_case
from careline.domain.draft import Cause
from careline.domain.snapshots import decide_snapshot, is_due, is_forgettable
from careline.ledger.bare import bared, has_words, heard_at, is_erased, target_of
from careline.ledger.commits import Call, UnreadableIntent, commit_of, intent_of
from careline.ledger.fence import Fence, Fenced
from careline.ledger.keeping import Keeping
from careline.ledger.store import Ledger, from_ms, mention_of, mention_raw, to_ms
from careline.ledger.sweeping import Change, drop_replies, swap, time_of
from schemas.mentions import BrandPosted, MentionEdited, MentionReceived
from schemas.triage import MentionTriaged

_log = structlog.get_logger(__name__)

PAGE: Final = 200
"""Cases, and mentions, that one pass looks at."""
_CAUSES: Final = 500


@dataclass(slots=True, kw_only=True)
class Tidied:
    """What a pass did."""

    snapshots: int = 0
    causes: int = 0
    cases: int = 0
    words: int = 0
    """Mentions that lost their words and names."""
    mentions: int = 0
    replies: int = 0
    finished: bool = False
    """The pass came to the end of all that the shard has; the next one begins anew."""


@dataclass(slots=True)
class _Place:
    """Where the next pass over a shard goes on."""

    cursors: dict[str, int] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)


class Housekeeper:
    """Tidies shards, a piece at a time."""

    def __init__(self, ledger: Ledger, *, keeping: Keeping | None = None, page: int = PAGE) -> None:
        """Look at so many cases and mentions in a pass."""
        self._ledger = ledger
        self._keeping = keeping or Keeping()
        self._page = page
        self._places: dict[int, _Place] = {}

    async def tidy(self, shard: int, fence: Fence) -> Tidied:
        """Do one piece of work. Raises ``Fenced``, ``LedgerUnavailable``: nothing is half done."""
        if not fence.healthy:
            raise Fenced(shard, fence.value)
        place = self._places.setdefault(shard, _Place())
        did = Tidied()
        now = await time_of(self._ledger, shard)
        before = to_ms(now - self._keeping.causes)
        (did.causes,) = await self._ledger.script("prune", shard, fence.value, before, _CAUSES)
        await self._cases(shard, fence, place, now, did)
        await self._mentions(shard, fence, place, now, did)
        await self._replies(shard, fence, place, now, did)
        if {"cases", "mentions", "texts"} <= place.finished:
            await self._tombstones(shard, fence, now)
            place.finished.clear()
            did.finished = True
        return did

    async def _cases(
        self, shard: int, fence: Fence, place: _Place, now: datetime, did: Tidied
    ) -> None:
        cases = [
            case
            for name, raw in (await self._next(shard, "cases", place)).items()
            if (case := _readable(shard, name, raw)) is not None
        ]
        keeping = self._keeping
        due = [
            case
            for case in cases
            if is_due(case, now=now, every=keeping.snapshots, after_close=keeping.after_close)
        ]
        if due:
            did.snapshots = await self._snapshot(shard, fence, due, now)
        old = [case for case in cases if is_forgettable(case, now=now, kept=keeping.cases)]
        if old:
            did.cases = await self._forget(shard, fence, old)

    async def _snapshot(
        self, shard: int, fence: Fence, cases: Iterable[Case], now: datetime
    ) -> int:
        call = Call(fence.value)
        for case in cases:
            at = max(now, case.last_event_at)
            decision = decide_snapshot(case, now=at)
            first = decision.events[0]
            cause = Cause(id=first.cause_id, digest=first.cause_digest)
            head = case.last_event_id
            call.commits.append(
                commit_of(decision, cause, case_id=case.case_id, expected=head, now=at)
            )
        letters, _ = await self._ledger.script("commit", shard, *call.args())
        return int(letters.decode().count("d"))

    async def _forget(self, shard: int, fence: Fence, cases: Sequence[Case]) -> int:
        # One with something still to be done outside stays: its executor asks for the case.
        try:
            waiting = {
                intent_of(raw.partition(b"\n")[2]).case_id
                async for _, raw in self._ledger.stored(shard, "effect")
            }
        except UnreadableIntent:
            return 0  # it may be of any of them: nobody leaves until it is mended
        gone = 0
        for case in cases:
            if case.case_id in waiting:
                continue
            line = await self._ledger.line(case.line, shard)
            seen = b""
            if line.case_id == case.case_id:
                seen = await self._ledger.raw(shard, "lines", case.line) or b""
            (left,) = await self._ledger.script(
                "forget", shard, fence.value, case.case_id, case.last_event_id, case.line, seen
            )
            gone += left
        return gone

    async def _mentions(
        self, shard: int, fence: Fence, place: _Place, now: datetime, did: Tidied
    ) -> None:
        page = await self._next(shard, "mentions", place)
        erased = await self._erased(shard)
        bare: dict[str, Change] = {}
        gone: dict[str, Change] = {}
        awaited: dict[str, Change] = {}
        for name, raw in page.items():
            age = now - (heard_at(raw) or now)
            if age >= self._keeping.mentions and await self._is_of_nothing(shard, raw):
                gone[name] = Change(raw)
                awaited |= _awaited_by(mention_of(raw))
            elif has_words(raw) and (erased or age >= self._keeping.words):
                found = mention_of(raw)
                said_to = await self._said_to(shard, found) if erased else None
                if age >= self._keeping.words or is_erased(found, erased, said_to):
                    bare[name] = Change(raw, mention_raw(bared(found)))
        did.words = await swap(self._ledger, shard, fence, "mentions", bare)
        did.mentions = await swap(self._ledger, shard, fence, "mentions", gone)
        await swap(self._ledger, shard, fence, "awaited", awaited)

    async def _is_of_nothing(self, shard: int, raw: bytes) -> bool:
        """Whether an old mention belongs to no line that is still known; own posts never do."""
        heard = mention_of(raw).heard
        if not isinstance(heard, (MentionReceived, MentionEdited)):
            return True
        return await self._ledger.raw(shard, "lines", heard.line) is None

    async def _said_to(self, shard: int, found: MentionTriaged) -> MentionTriaged | None:
        heard = found.heard
        target = target_of(heard) if isinstance(heard, BrandPosted) else None
        return await self._ledger.read_mention(target, shard) if target else None

    async def _replies(
        self, shard: int, fence: Fence, place: _Place, now: datetime, did: Tidied
    ) -> None:
        page = await self._next(shard, "texts", place)
        before = now - self._keeping.replies
        did.replies = await drop_replies(self._ledger, shard, fence, page, before=before)

    async def _tombstones(self, shard: int, fence: Fence, now: datetime) -> None:
        """Let those leave behind which no topic can hold anything any more."""
        old = {
            author: Change(raw)
            async for author, raw in self._ledger.stored(shard, "erased")
            if now - from_ms(int(raw)) >= self._keeping.tombstones
        }
        await swap(self._ledger, shard, fence, "erased", old)

    async def _next(self, shard: int, name: str, place: _Place) -> dict[str, bytes]:
        cursor = place.cursors.get(name, 0)
        place.cursors[name], found = await self._ledger.page(shard, name, cursor, count=self._page)
        if place.cursors[name] == 0:
            place.finished.add(name)
        return found

    async def _erased(self, shard: int) -> dict[str, datetime]:
        return {
            author: from_ms(int(raw)) async for author, raw in self._ledger.stored(shard, "erased")
        }


def _readable(shard: int, name: str, raw: bytes) -> Case | None:
    try:
        return load_case(raw)
    except ValueError as error:
        _log.error("case cannot be read", shard=shard, case=name, code=type(error).__name__)
        return None


def _awaited_by(found: MentionTriaged) -> dict[str, Change]:
    """Return what an own post may still stand for among the awaited."""
    heard = found.heard
    target = target_of(heard) if isinstance(heard, BrandPosted) else None
    if target is None or not isinstance(heard, BrandPosted):
        return {}
    return {target: Change(heard.native_id.encode())}
