"""One look over everything: what is read, by which invariants it is judged, what was found.

Promises: each case is read once a look, whatever the number of invariants; a look takes at most a
quarter of a core, so that a large ledger makes it longer and not heavier. It changes nothing but
its own bookmarks, which carry no promise: without them everything is proved anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

import structlog

from careline.domain.codec import load_case
from careline.ledger.auditing.bounds import Bounds
from careline.ledger.auditing.facts import ShardFacts, read_facts
from careline.ledger.auditing.findings import Finding
from careline.ledger.auditing.inputs import (
    EveryQueryHasAnObligation,
    EverythingReceivedIsTriaged,
    InputMoves,
    WhatIsSetAsideIsKept,
)
from careline.ledger.auditing.invariants import (
    CaseInvariant,
    case_invariants,
    shard_invariants,
)
from careline.ledger.auditing.journal import Journal
from careline.ledger.fence import LedgerUnavailable
from careline.ledger.store import Ledger
from careline.runtime.kafka import LogReader
from schemas.topics import CASES_COMMANDS, MENTIONS_RECEIVED, MENTIONS_TRIAGED

BOOKMARKS: Final = "careline:auditor:bookmarks"
CASE_IS_READABLE: Final = "case_is_readable"
_INPUTS: Final = (MENTIONS_RECEIVED.name, MENTIONS_TRIAGED.name, CASES_COMMANDS.name)
_PAGE: Final = 200
_SHARE: Final = 3.0
"""Seconds of rest for each second of work."""

_log = structlog.get_logger(__name__)


class Committed(Protocol):
    """What the workers' group has acknowledged."""

    async def committed(self, topics: Sequence[str], partitions: int) -> dict[tuple[str, int], int]:
        """Return the committed offset of each partition that has one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found."""

    findings: tuple[Finding, ...] = ()
    shards: int = 0
    unjudged: frozenset[int] = frozenset()
    """Shards that somebody recovers: nothing can be said of their cases."""
    cases: int = 0
    refused: bool = False
    """The ledger answers and takes no writes, not even the bookmarks: no shard can do its work."""
    late_seconds: float = 0.0
    """How long the step that has waited longest for somebody to fire it had been due."""

    @property
    def whole(self) -> bool:
        """Whether every shard could be judged, and its ledger takes what is decided."""
        return not self.unjudged and not self.refused


@dataclass(slots=True)
class _Tally:
    findings: list[Finding] = field(default_factory=list)
    unjudged: set[int] = field(default_factory=set)
    cases: int = 0
    late_seconds: float = 0.0


class Looker:
    """Looks at the whole."""

    def __init__(
        self, ledger: Ledger, reader: LogReader, group: Committed, *, bounds: Bounds | None = None
    ) -> None:
        """Look at this ledger, these topics and this group."""
        self._ledger = ledger
        self._reader = reader
        self._group = group
        self._bounds = bounds or Bounds()
        self._of_shards = (*shard_invariants(self._bounds), InputMoves(self._bounds))
        self._triaged = EverythingReceivedIsTriaged(ledger)
        self._set_aside = WhatIsSetAsideIsKept()
        self._obliged = EveryQueryHasAnObligation(ledger)
        self._journal: Journal | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every invariant, for a metric that shows those that hold too."""
        return (
            *(each.name for each in self._of_shards),
            *(each.name for each in case_invariants(self._bounds)),
            self._triaged.name,
            self._set_aside.name,
            self._obliged.name,
            CASE_IS_READABLE,
        )

    async def look(self) -> Look:
        """Look at every shard once. Raises ``Unavailable`` or `LedgerUnavailable`."""
        journal = await self._opened()
        # Before anything else: what was acknowledged then must be found wherever we look later.
        committed = await self._group.committed(_INPUTS, self._ledger.partitions)
        await journal.advance(committed)
        ends = {topic: await self._reader.ends(topic, self._ledger.partitions) for topic in _INPUTS}
        tally = _Tally()
        of_cases = case_invariants(self._bounds)
        for shard in range(self._ledger.partitions):
            own = {topic: committed.get((topic, shard), 0) for topic in _INPUTS}
            now = {topic: found[shard] for topic, found in ends.items()}
            facts = await read_facts(self._ledger, shard, own, now)
            tally.late_seconds = max(tally.late_seconds, _late_seconds(facts))
            for invariant in self._of_shards:
                tally.findings += invariant.broken(facts)
            if facts.fence.healthy:
                await self._cases(facts, of_cases, tally)
            else:
                tally.unjudged.add(shard)
            await self._inputs(journal, facts, tally)
        kept = await self._keep(journal)
        return Look(
            findings=tuple(tally.findings),
            shards=self._ledger.partitions,
            unjudged=frozenset(tally.unjudged),
            cases=tally.cases,
            refused=not kept,
            late_seconds=tally.late_seconds,
        )

    async def _cases(
        self, facts: ShardFacts, invariants: Sequence[CaseInvariant], tally: _Tally
    ) -> None:
        started, number = time.monotonic(), 0
        async for raw in self._ledger.raw_cases(facts.shard):
            number += 1
            if number % _PAGE == 0:
                await asyncio.sleep((time.monotonic() - started) * _SHARE)
                started = time.monotonic()
            try:
                case = load_case(raw)
            except (ValueError, KeyError, TypeError) as error:
                tally.findings.append(_unreadable(facts.shard, raw, error))
                continue
            tally.cases += 1
            if case.last_event_at >= facts.now:
                continue  # it changed while the shard was read: the next look sees it
            for invariant in invariants:
                tally.findings += invariant.broken(case, facts)

    async def _inputs(self, journal: Journal, facts: ShardFacts, tally: _Tally) -> None:
        partition = journal.partitions[facts.shard]
        tally.findings += await self._triaged.broken(partition, facts)
        tally.findings += self._set_aside.broken(partition, facts)
        tally.findings += await self._obliged.broken(partition, facts)

    async def _opened(self) -> Journal:
        if self._journal is None:
            asked = self._ledger.client.hgetall(BOOKMARKS)
            found = await self._ledger.asked(cast("Awaitable[dict[bytes, bytes]]", asked))
            marks = {}
            for name, offset in found.items():
                topic, _, partition = name.decode().rpartition("/")
                marks[topic, partition] = int(offset)
            self._journal = Journal(self._reader, self._ledger.partitions, marks)
        return self._journal

    async def _keep(self, journal: Journal) -> bool:
        """Keep the bookmarks; return whether the ledger took them.

        One that refuses writes (OOM, READONLY, MISCONF) is when a look's findings matter most.
        """
        marks: list[str | int] = []
        for (topic, partition), offset in journal.bookmarks().items():
            marks += (f"{topic}/{partition}", offset)
        if not marks:
            return True
        try:
            await self._ledger.asked(self._ledger.client.hset(BOOKMARKS, items=marks))
        except LedgerUnavailable as error:
            _log.warning("the ledger takes no bookmarks", why=str(error))
            return False
        return True


def _late_seconds(facts: ShardFacts) -> float:
    return max(((facts.now - due).total_seconds() for due in facts.due.values()), default=0.0)


def _unreadable(shard: int, raw: bytes, error: Exception) -> Finding:
    digest = f"{len(raw)} bytes"
    _log.error("case cannot be read", shard=shard, code=type(error).__name__)
    return Finding(
        invariant=CASE_IS_READABLE,
        shard=shard,
        subject=f"shard[{shard}]",
        says=f"a case of it cannot be read ({digest}): its deadlines stand still",
        evidence=digest,
    )
