"""The invariants of what came in: everything received was triaged or set aside, every query has an
obligation.

Promises: a proof is taken from the ledger's own stores, never from a counter; a record that is only
on its way (not acknowledged by triage, not applied yet) is no finding. What was passed over can be
asked for again: whatever of it was done is then a repeat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Final

from careline.domain.codec import load_case
from careline.ledger.auditing.bounds import Bounds
from careline.ledger.auditing.facts import ShardFacts
from careline.ledger.auditing.findings import Finding, Replay
from careline.ledger.auditing.journal import Partition, Query
from careline.ledger.store import Ledger, key, line_of
from careline.runtime.kafka import Record
from schemas.envelope import Unreadable, unpack
from schemas.identity import ConversationKey, LineKey, case_id
from schemas.mentions import HEARD, MentionEdited, MentionReceived
from schemas.topics import MENTIONS_RECEIVED, MENTIONS_TRIAGED

_AT_ONCE: Final = 500
_EPISODES: Final = 50
"""How many episodes of a line are looked through for a query, the latest first."""


class EverythingReceivedIsTriaged:
    """Every record that triage acknowledged has its triaged one, or a dead letter."""

    name: ClassVar[str] = "everything_received_is_triaged"

    def __init__(self, ledger: Ledger) -> None:
        """What was triaged on the spot left no record: the ledger's store of mentions proves it."""
        self._ledger = ledger

    async def broken(self, partition: Partition, facts: ShardFacts) -> list[Finding]:
        """Return what triage has passed over."""
        if not partition.triaged_to_the_end or not partition.received:
            return []
        for offset in await self._in_the_ledger(partition, facts):
            partition.proved(offset)
        return [
            Finding(
                invariant=self.name,
                shard=facts.shard,
                subject=f"{MENTIONS_RECEIVED.name}[{facts.shard}]:{offset}",
                says="triage has acknowledged it, and neither a triaged record nor a dead letter "
                "stands for it",
                evidence=str(offset),
                repair=Replay(record),
            )
            for offset, record in partition.received.items()
        ]

    async def _in_the_ledger(self, partition: Partition, facts: ShardFacts) -> list[int]:
        """Return the offsets that the shard has taken in without a triaged record."""
        applied = facts.inputs.get(MENTIONS_RECEIVED.name, -1)
        passed = [(o, record) for o, record in partition.received.items() if o <= applied]
        wanted = {offset: _mention_of(record) for offset, record in passed}
        pipeline = self._ledger.client.pipeline(transaction=False)
        asked = [(offset, mention) for offset, mention in wanted.items() if mention is not None]
        for _, mention in asked:
            pipeline.hexists(key(facts.shard, "mentions"), mention)
        found = await self._ledger.asked(pipeline.execute()) if asked else []
        stored = {offset for (offset, _), there in zip(asked, found, strict=True) if there}
        # Deletes, own posts and cursors leave no trace; unreadable ones must have a dead letter.
        return [offset for offset, mention in wanted.items() if mention == "" or offset in stored]


def _mention_of(record: Record) -> str | None:
    """Return the mention of a record, "" for what is no mention, None for what nobody can read."""
    try:
        heard = unpack(HEARD, record.value)
    except Unreadable:
        return None
    return heard.mention_id if isinstance(heard, (MentionReceived, MentionEdited)) else ""


class InputMoves:
    """What waits in an input is taken in: lag without progress is an alarm, lag alone is load."""

    name: ClassVar[str] = "input_moves"

    def __init__(self, bounds: Bounds) -> None:
        """Start without having seen an input."""
        self._within = bounds.input_stands
        self._seen: dict[tuple[int, str], tuple[int, datetime]] = {}

    def broken(self, facts: ShardFacts) -> Iterator[Finding]:
        """Yield an input that has stood still although records wait in it."""
        for topic, end in facts.ends.items():
            # What triage has dealt with, only Kafka knows at once; the rest the ledger.
            done = facts.inputs.get(topic, -1) + 1
            if topic == MENTIONS_RECEIVED.name:
                done = facts.committed.get(topic, 0)
            place = (facts.shard, topic)
            if done >= end:
                self._seen.pop(place, None)
                continue
            last, since = self._seen.get(place, (-1, facts.now))
            if done != last:
                self._seen[place] = (done, facts.now)
            elif facts.now - since > self._within:
                yield Finding(
                    invariant=self.name,
                    shard=facts.shard,
                    subject=f"{topic}[{facts.shard}]",
                    says=f"{end - done} records wait, and none was taken in since {since:%F %T}",
                    evidence=str(done),
                )


class WhatIsSetAsideIsKept:
    """Every record that was passed over on purpose is a dead letter."""

    name: ClassVar[str] = "what_is_set_aside_is_kept"

    def broken(self, partition: Partition, facts: ShardFacts) -> Iterator[Finding]:
        """Yield what was set aside without its bytes being kept."""
        for offset, (topic, position) in partition.skipped.items():
            yield Finding(
                invariant=self.name,
                shard=facts.shard,
                subject=f"{topic}[{position}]",
                says="it was set aside as unreadable, and there is no dead letter",
                evidence=str(offset),
            )


class EveryQueryHasAnObligation:
    """Every query that the ledger has taken in is an obligation of a case."""

    name: ClassVar[str] = "every_query_has_an_obligation"

    def __init__(self, ledger: Ledger) -> None:
        """Look into this ledger."""
        self._ledger = ledger

    async def broken(self, partition: Partition, facts: ShardFacts) -> list[Finding]:
        """Return the queries that nobody is held to answer."""
        if not facts.fence.healthy:
            return []
        applied = facts.inputs.get(MENTIONS_TRIAGED.name, -1)
        taken_in = [(o, query) for o, query in partition.queries.items() if o <= applied]
        findings: list[Finding] = []
        for at in range(0, len(taken_in), _AT_ONCE):
            page = dict(taken_in[at : at + _AT_ONCE])
            held = await self._held(facts.shard, list(page.values()))
            causes = await self._causes(facts.shard, page)
            for offset, query in page.items():
                if query.mention_id in held:
                    del partition.queries[offset]
                else:
                    findings.append(self._finding(facts, query, known=causes[offset]))
        return findings

    def _finding(self, facts: ShardFacts, query: Query, *, known: bool) -> Finding:
        says = "it is a query, and no case holds it"
        if known:
            says += "; its decision is known, so the case was lost: careline ledger rebuild"
        return Finding(
            invariant=self.name,
            shard=facts.shard,
            subject=query.mention_id,
            says=says,
            evidence=str(query.record.offset),
            # A decision that is known would not be made again.
            repair=None if known else Replay(query.record),
        )

    async def _causes(self, shard: int, page: Mapping[int, Query]) -> dict[int, bool]:
        pipeline = self._ledger.client.pipeline(transaction=False)
        for query in page.values():
            pipeline.hexists(key(shard, "causes"), query.cause_id)
        found = await self._ledger.asked(pipeline.execute()) if page else []
        return {offset: bool(there) for offset, there in zip(page, found, strict=True)}

    async def _held(self, shard: int, queries: Sequence[Query]) -> set[str]:
        """Return the mentions that are an obligation of some episode of their line."""
        lines = {query.line: query for query in queries}
        pipeline = self._ledger.client.pipeline(transaction=False)
        for line in lines:
            pipeline.hget(key(shard, "lines"), line)
        found = await self._ledger.asked(pipeline.execute()) if lines else []
        pipeline = self._ledger.client.pipeline(transaction=False)
        asked = 0
        for raw, (line, query) in zip(found, lines.items(), strict=True):
            episode = line_of(raw).episode if raw else 0
            for number in range(episode, max(episode - _EPISODES, 0), -1):
                case = case_id(
                    LineKey(line),
                    number,
                    conversation=ConversationKey(query.conversation),
                    partitions=self._ledger.partitions,
                )
                pipeline.hget(key(shard, "cases"), case)
                asked += 1
        cases = await self._ledger.asked(pipeline.execute()) if asked else []
        return {mention for raw in cases if raw for mention in _obligations(raw)}


def _obligations(raw: bytes) -> list[str]:
    """Return the mentions that a case holds; one that cannot be read holds none."""
    try:
        return [found.mention_id for found in load_case(raw).obligations]
    except ValueError:
        return []
