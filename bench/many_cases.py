"""A ledger full of open cases, in as little time as writing them takes: for the bench of deadlines.

Promises: the states are what the domain decides on a query, written by the ledger's own commit
script under the fence that stands; only ids and times are put into copies of one case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from bench.peers import PARTITIONS
from careline.domain.case import Case, Line
from careline.domain.decide import decide_mention
from careline.domain.draft import Cause
from careline.domain.policy import Policy
from careline.ledger.commits import Call, Commit
from careline.ledger.store import Ledger
from schemas.mentions import AuthorRef, ConversationRef, MentionReceived, Visibility
from schemas.triage import Triage, Urgency

_CALL: Final = 500
_WARNED_BEFORE: Final = timedelta(hours=1)
"""How long before its deadline a case is warned of it: the next step after that is far away."""


def a_case(now: datetime) -> Case:
    """Return the case of one query, as it is when it was decided on. Raises ``RuntimeError``."""
    mention = MentionReceived(
        account="acme",
        native_id="1",
        conversation=ConversationRef(network="x", root="1", visibility=Visibility.PUBLIC),
        author=AuthorRef(id="7"),
        text="my parcel never came, can you help?",
        created_at=now,
        heard_at=now,
    )
    decision = decide_mention(
        mention,
        Triage(query=True, urgency=Urgency.NORMAL, model="bench"),
        case=None,
        line=Line(),
        awaited=None,
        cause=Cause(id="bench", digest="0" * 64),
        now=now,
        policy=Policy(partitions=PARTITIONS),
    )
    if decision.case is None:
        raise RuntimeError("a query opened no case")
    return decision.case


def case_id(shard: int, number: int) -> str:
    """Return the id of one of the cases."""
    return f"s{shard:02}-{number:016x}-1"


async def fill(ledger: Ledger, due: Mapping[int, datetime]) -> None:
    """Open a case for each number, whose next step falls due then; its shard is by its number."""
    template = a_case(datetime.now(UTC))
    for shard in range(PARTITIONS):
        epoch = (await ledger.fence(shard)).value
        numbers = [number for number in due if number % PARTITIONS == shard]
        for chunk in _chunks(numbers):
            commits = [_commit(template, shard, number, due[number]) for number in chunk]
            await ledger.script("commit", shard, *Call(epoch, commits).args())


def _commit(template: Case, shard: int, number: int, at: datetime) -> Commit:
    (query,) = template.obligations
    name = case_id(shard, number)
    case = replace(
        template,
        case_id=name,
        obligations=(replace(query, at_risk_at=at, due_at=at + _WARNED_BEFORE),),
    )
    commit = Commit(cause=Cause(id=f"bench {name}", digest="0" * 64), case_id=name)
    commit.move(case)
    return commit


def _chunks(numbers: list[int]) -> Iterator[list[int]]:
    for begin in range(0, len(numbers), _CALL):
        yield numbers[begin : begin + _CALL]
