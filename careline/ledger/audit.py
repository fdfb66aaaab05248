"""The balance of the promise, counted from the topics and from the ledger as they are.

Promises: reads everything and changes nothing; no figure comes from a counter of the code under
test. `heard = queries + not_queries` and `queries = answered + closed + open with a live deadline`;
what does not fit is `unanswered` and a problem in words (design section 2).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from careline.domain.case import Case, Obligation, ObligationStatus
from careline.domain.invariants import audit_case
from careline.ledger.store import Ledger
from careline.runtime.kafka import LogReader, Record
from schemas.envelope import Unreadable, header, unpack
from schemas.events import CaseKind
from schemas.mentions import HEARD, BrandPosted, MentionEdited, MentionReceived
from schemas.topics import DEAD_LETTERS, MENTIONS_RECEIVED, MENTIONS_TRIAGED
from schemas.triage import TRIAGED, RecordSkipped

_SHOWN_PROBLEMS = 50


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
    open_with_deadline: int = 0
    unanswered: int = 0
    """Queries without an obligation, or open without a live deadline. Must be 0."""
    cases: int = 0
    operations_cases: int = 0
    problems: list[str] = field(default_factory=list)

    def problem(self, text: str) -> None:
        """Note what is broken; the first ones are enough to begin with."""
        if len(self.problems) < _SHOWN_PROBLEMS:
            self.problems.append(text)


@dataclass(slots=True)
class _Heard:
    mentions: set[str] = field(default_factory=set)
    own_posts: set[str] = field(default_factory=set)
    last_says_query: dict[str, bool] = field(default_factory=dict)
    not_triaged: int = 0


async def audit(ledger: Ledger, reader: LogReader, *, partitions: int) -> Balance:
    """Return the balance of all topics and shards. Raises ``Unavailable``, `LedgerUnavailable`."""
    balance = Balance()
    heard = _Heard()
    dead: set[tuple[str, str]] = set()
    obligations: dict[str, ObligationStatus] = {}
    for partition in range(partitions):
        await _read_mentions(reader, partition, heard)
        async for record in _records(reader, DEAD_LETTERS.name, partition):
            facts = {name: value.decode("utf-8", "replace") for name, value in record.headers}
            dead.add((facts.get("topic", ""), facts.get("position", "")))
    for shard in range(partitions):
        await _count_cases(ledger, shard, balance, obligations)
    balance.heard = len(heard.mentions)
    balance.own_posts = len(heard.own_posts)
    balance.unreadable = len(dead)
    _settle(balance, heard, obligations)
    return balance


async def _read_mentions(reader: LogReader, partition: int, heard: _Heard) -> None:
    received: set[int] = set()
    async for record in _records(reader, MENTIONS_RECEIVED.name, partition):
        received.add(record.offset)
        try:
            body = unpack(HEARD, record.value)
        except Unreadable:
            continue  # a dead letter stands for it
        if isinstance(body, (MentionReceived, MentionEdited)):
            heard.mentions.add(body.mention_id)
        elif isinstance(body, BrandPosted):
            heard.own_posts.add(body.mention_id)
    async for record in _records(reader, MENTIONS_TRIAGED.name, partition):
        source = header(record.headers, "sourceoffset")
        if source is not None and source.isdigit():
            received.discard(int(source))
        try:
            triaged = unpack(TRIAGED, record.value)
        except Unreadable:
            continue
        if isinstance(triaged, RecordSkipped):
            continue
        if isinstance(triaged.heard, (MentionReceived, MentionEdited)):
            query = triaged.triage is None or triaged.triage.query
            heard.last_says_query[triaged.heard.mention_id] = query
    heard.not_triaged += len(received)


async def _count_cases(
    ledger: Ledger, shard: int, balance: Balance, obligations: dict[str, ObligationStatus]
) -> None:
    due = await ledger.due_times(shard)
    async for case in ledger.cases(shard):
        balance.cases += case.kind is CaseKind.CARE
        balance.operations_cases += case.kind is CaseKind.OPERATIONS
        due_at = due.get(case.case_id)
        for problem in audit_case(case, due_at):
            balance.problem(problem)
        _count_obligations(case, obligations, balance, live=due_at is not None)


def _count_obligations(
    case: Case, obligations: dict[str, ObligationStatus], balance: Balance, *, live: bool
) -> None:
    for found in case.obligations:
        if found.is_open and not live:
            balance.unanswered += 1
            balance.problem(f"{case.case_id}: query {found.mention_id} is open without a deadline")
        known = obligations.get(found.mention_id)
        obligations[found.mention_id] = _foremost(known, found)


def _foremost(known: ObligationStatus | None, found: Obligation) -> ObligationStatus:
    """Return how a query stands that two cases know, because its author edited it later."""
    order = (ObligationStatus.OPEN, ObligationStatus.ANSWERED, ObligationStatus.CLOSED)
    return found.status if known is None else min(known, found.status, key=order.index)


def _settle(balance: Balance, heard: _Heard, obligations: dict[str, ObligationStatus]) -> None:
    standing = list(obligations.values())
    balance.queries = len(standing)
    balance.answered = standing.count(ObligationStatus.ANSWERED)
    balance.closed = standing.count(ObligationStatus.CLOSED)
    without_deadline = balance.unanswered
    balance.open_with_deadline = standing.count(ObligationStatus.OPEN) - without_deadline
    for mention in sorted(heard.mentions - obligations.keys()):
        says_query = heard.last_says_query.get(mention)
        if says_query is False:
            balance.not_queries += 1
            continue
        balance.unanswered += 1
        state = "was never triaged" if says_query is None else "is a query without an obligation"
        balance.problem(f"{mention} {state}")
    if heard.not_triaged:
        balance.problem(f"{heard.not_triaged} received records have no triaged one")
    forgotten = len(obligations.keys() - heard.mentions)
    if forgotten:
        balance.problem(f"{forgotten} queries of the ledger are no longer in the topic")


async def _records(reader: LogReader, topic: str, partition: int) -> AsyncIterator[Record]:
    begin = await reader.beginning(topic, partition)
    end = await reader.end(topic, partition)
    async for batch in reader.read(topic, partition, begin, end):
        for record in batch:
            yield record
