"""The balance of the promise, counted from the topics and from the ledger as they are.

Promises: reads everything and changes nothing; no figure comes from a counter of the code under
test. `heard = queries + not_queries` and `queries = answered + closed + open with a live deadline`;
what does not fit is `unanswered` or `missing`, and a problem in words (design section 2). What must
hold at any time, and is repaired, is the auditor's: `careline.ledger.auditing`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from careline.domain.case import Case, Obligation, ObligationStatus
from careline.domain.invariants import audit_case
from careline.ledger.store import Ledger
from careline.runtime.kafka import LogReader, Record
from schemas.commands import Disposition
from schemas.envelope import Unreadable, header, unpack
from schemas.events import CaseKind
from schemas.mentions import HEARD, BrandPosted, MentionEdited, MentionReceived
from schemas.packing import heard_id
from schemas.topics import DEAD_LETTERS, MENTIONS_RECEIVED, MENTIONS_TRIAGED
from schemas.triage import TRIAGED, RecordSkipped

_SHOWN_PROBLEMS = 50
BUCKETS: Final[tuple[tuple[str, timedelta], ...]] = (
    ("overdue", timedelta(0)),
    ("within 15 min", timedelta(minutes=15)),
    ("within 1 h", timedelta(hours=1)),
    ("within 4 h", timedelta(hours=4)),
    ("within 24 h", timedelta(hours=24)),
)
LATER: Final = "later"


@dataclass(slots=True, kw_only=True)
class Balance:
    """What came in against what became of it."""

    heard: int = 0
    """Distinct mentions and direct messages."""
    queries: int = 0
    """Distinct mentions that have an obligation."""
    not_queries: int = 0
    own_posts: int = 0
    unreadable: int = 0
    answered: int = 0
    closed: int = 0
    closed_by_reason: dict[str, int] = field(default_factory=dict)
    open_with_deadline: int = 0
    open_by_deadline: dict[str, int] = field(default_factory=dict)
    """Open queries by how soon their answer is due."""
    unanswered: int = 0
    """Queries without an obligation, or open without a live deadline. Must be 0."""
    missing: int = 0
    """Mentions of which nobody knows what became: neither query nor not. Must be 0."""
    cases: int = 0
    operations_cases: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def closes(self) -> bool:
        """Whether everything that was heard is accounted for."""
        return not self.problems and not self.missing and not self.unanswered

    def problem(self, text: str) -> None:
        """Note what is broken; the first ones are enough to begin with."""
        if len(self.problems) < _SHOWN_PROBLEMS:
            self.problems.append(text)


@dataclass(frozen=True, slots=True)
class _Untriaged:
    """A received record for which no triaged one stands."""

    partition: int
    offset: int
    mention: str = ""


@dataclass(slots=True)
class _Heard:
    mentions: dict[str, datetime] = field(default_factory=dict)
    """When each was heard first."""
    own_posts: dict[str, datetime] = field(default_factory=dict)
    last_says_query: dict[str, bool] = field(default_factory=dict)
    not_triaged: list[_Untriaged] = field(default_factory=list)

    def since(self, since: datetime | None) -> set[str]:
        """Return the mentions that were heard since then."""
        return _since(self.mentions, since)


@dataclass(slots=True)
class _Known:
    obligations: dict[str, Obligation] = field(default_factory=dict)
    lifeless: set[str] = field(default_factory=set)
    """Open queries without a live deadline."""
    dead: set[tuple[str, str]] = field(default_factory=set)
    """Topic and position of every dead letter."""
    taken_in: dict[int, int] = field(default_factory=dict)
    """The last received offset that each shard has worked on."""


async def audit(
    ledger: Ledger, reader: LogReader, *, partitions: int, since: datetime | None = None
) -> Balance:
    """Return the balance of all topics and shards; ``since``: of what was first heard from then on.

    Raises ``Unavailable``, `LedgerUnavailable`.
    """
    balance = Balance()
    heard = _Heard()
    known = _Known()
    unreadable: set[tuple[str, str]] = set()
    for partition in range(partitions):
        await _read_mentions(reader, partition, heard)
        async for record in _records(reader, DEAD_LETTERS.name, partition):
            facts = {name: value.decode("utf-8", "replace") for name, value in record.headers}
            letter = (facts.get("topic", ""), facts.get("position", ""))
            known.dead.add(letter)
            if since is None or record.timestamp_ms >= since.timestamp() * 1000:
                unreadable.add(letter)
    for shard in range(partitions):
        inputs = (await ledger.position(shard)).inputs
        known.taken_in[shard] = inputs.get(MENTIONS_RECEIVED.name, -1)
        await _count_cases(ledger, shard, balance, known, since)
    balance.own_posts = len(_since(heard.own_posts, since))
    balance.unreadable = len(unreadable)
    _settle(balance, heard, known, since, await ledger.now())
    return balance


def sentence(balance: Balance) -> str:
    """Say a balance in one line."""
    reasons = ", ".join(f"{name} {count}" for name, count in balance.closed_by_reason.items())
    overdue = balance.open_by_deadline.get(BUCKETS[0][0], 0)
    closed = f"{balance.closed} closed" + (f" ({reasons})" if reasons else "")
    still = f"{balance.open_with_deadline} open" + (f" ({overdue} overdue)" if overdue else "")
    verdict = "" if balance.closes else "; it does NOT close: careline ledger audit"
    return (
        f"heard {balance.heard}, queries {balance.queries} = {balance.answered} answered "
        f"+ {closed} + {still}, missing {balance.unanswered}{verdict}"
    )


def _since(found: Mapping[str, datetime], since: datetime | None) -> set[str]:
    return {name for name, at in found.items() if since is None or at >= since}


async def _read_mentions(reader: LogReader, partition: int, heard: _Heard) -> None:
    received: dict[int, _Untriaged] = {}
    offsets: dict[str, int] = {}
    async for record in _records(reader, MENTIONS_RECEIVED.name, partition):
        received[record.offset] = _Untriaged(partition, record.offset, _hear(record, heard))
        if (event_id := header(record.headers, "id")) is not None:
            offsets.setdefault(event_id, record.offset)
    async for record in _records(reader, MENTIONS_TRIAGED.name, partition):
        source = header(record.headers, "sourceoffset")
        if source is not None and source.isdecimal():
            received.pop(int(source), None)
        # What the auditor has asked for again stands at two offsets.
        received.pop(offsets.get(heard_id(record.headers), -1), None)
        _note_triage(record, heard)
    heard.not_triaged += received.values()


def _hear(record: Record, heard: _Heard) -> str:
    """Note what was heard; return the mention, if it is a customer's."""
    try:
        body = unpack(HEARD, record.value)
    except Unreadable:
        return ""  # a dead letter stands for it
    if isinstance(body, (MentionReceived, MentionEdited)):
        _first(heard.mentions, body.mention_id, body.heard_at)
        return body.mention_id
    if isinstance(body, BrandPosted):
        _first(heard.own_posts, body.mention_id, body.heard_at)
    return ""


def _note_triage(record: Record, heard: _Heard) -> None:
    try:
        triaged = unpack(TRIAGED, record.value)
    except Unreadable:
        return
    if isinstance(triaged, RecordSkipped):
        return
    if isinstance(triaged.heard, (MentionReceived, MentionEdited)):
        # What was heard stands here too, should its own record have been skipped since.
        _first(heard.mentions, triaged.heard.mention_id, triaged.heard.heard_at)
        query = triaged.triage is None or triaged.triage.query
        heard.last_says_query[triaged.heard.mention_id] = query


def _first(known: dict[str, datetime], name: str, at: datetime) -> None:
    known[name] = min(known.get(name, at), at)


async def _count_cases(
    ledger: Ledger,
    shard: int,
    balance: Balance,
    known: _Known,
    since: datetime | None,
) -> None:
    due = await ledger.due_times(shard)
    async for case in ledger.cases(shard):
        if since is None or case.opened_at >= since:
            balance.cases += case.kind is CaseKind.CARE
            balance.operations_cases += case.kind is CaseKind.OPERATIONS
        due_at = due.get(case.case_id)
        for problem in audit_case(case, due_at):
            balance.problem(problem)
        _count_obligations(case, known, balance, live=due_at is not None)


def _count_obligations(case: Case, known: _Known, balance: Balance, *, live: bool) -> None:
    for found in case.obligations:
        if found.is_open and not live:
            known.lifeless.add(found.mention_id)
            balance.unanswered += 1
            balance.problem(f"{case.case_id}: query {found.mention_id} is open without a deadline")
        earlier = known.obligations.get(found.mention_id)
        known.obligations[found.mention_id] = _foremost(earlier, found)


def _foremost(known: Obligation | None, found: Obligation) -> Obligation:
    """Return how a query stands that two cases know, because its author edited it later."""
    order = (ObligationStatus.OPEN, ObligationStatus.ANSWERED, ObligationStatus.CLOSED)
    if known is None:
        return found
    return min(known, found, key=lambda one: order.index(one.status))


def _settle(
    balance: Balance,
    heard: _Heard,
    known: _Known,
    since: datetime | None,
    now: datetime,
) -> None:
    mentions, obligations = heard.since(since), known.obligations
    balance.heard = len(mentions)
    wanted = obligations.keys() if since is None else obligations.keys() & mentions
    for name in wanted:
        _count(balance, obligations[name], now, live=name not in known.lifeless)
    for mention in sorted(mentions - obligations.keys()):
        says_query = heard.last_says_query.get(mention)
        if says_query is False:
            balance.not_queries += 1
            continue
        balance.unanswered += 1
        state = "was never triaged" if says_query is None else "is a query without an obligation"
        balance.problem(f"{mention} {state}")
    balance.missing = balance.heard - len(wanted & mentions) - balance.not_queries
    if unexplained := [one for one in heard.not_triaged if not _explained(one, known)]:
        balance.problem(f"{len(unexplained)} received records have no triaged one")
    kept_since = now - MENTIONS_RECEIVED.retention
    forgotten = sum(
        found.heard_at > kept_since
        for name, found in obligations.items()
        if name not in heard.mentions
    )
    if forgotten:
        balance.problem(f"{forgotten} queries of the ledger are no longer in the topic")


def _count(balance: Balance, found: Obligation, now: datetime, *, live: bool) -> None:
    """Count a query by how it stands."""
    balance.queries += 1
    match found.status:
        case ObligationStatus.ANSWERED:
            balance.answered += 1
        case ObligationStatus.CLOSED:
            balance.closed += 1
            reason = (found.disposition or Disposition.ANSWERED).value
            balance.closed_by_reason[reason] = balance.closed_by_reason.get(reason, 0) + 1
        case ObligationStatus.OPEN if live:
            balance.open_with_deadline += 1
            bucket = bucket_of(found.due_at - now)
            balance.open_by_deadline[bucket] = balance.open_by_deadline.get(bucket, 0) + 1
        case _:
            pass  # counted as unanswered already


def bucket_of(left: timedelta) -> str:
    """Return the bucket of a deadline by the time that is left."""
    return next((name for name, most in BUCKETS if left <= most), LATER)


def _explained(one: _Untriaged, known: _Known) -> bool:
    """Whether a record was triaged on the spot, which leaves no record, or set aside."""
    if (MENTIONS_RECEIVED.name, f"{one.partition}:{one.offset}") in known.dead:
        return True
    if one.offset > known.taken_in.get(one.partition, -1):
        return False
    return not one.mention or one.mention in known.obligations


async def _records(reader: LogReader, topic: str, partition: int) -> AsyncIterator[Record]:
    begin = await reader.beginning(topic, partition)
    end = await reader.end(topic, partition)
    async for batch in reader.read(topic, partition, begin, end):
        for record in batch:
            yield record
