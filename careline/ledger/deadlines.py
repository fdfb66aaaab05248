"""Deadlines that fall due become events: one step of a case at a time, the most urgent first.

Promises: a step fires by the ledger's clock and once, whoever polls (its cause id follows from
case, step and due time); after an outage nothing jumps to the top of the ladder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import structlog

from careline.domain.case import Case
from careline.domain.codec import load_case
from careline.domain.decide import Decision, decide_deadline
from careline.domain.draft import Cause
from careline.domain.policy import Policy
from careline.domain.steps import next_due
from careline.ledger.commits import Call, Commit, commit_of
from careline.ledger.store import Ledger, from_ms, to_ms
from schemas.identity import deadline_id, digest_of
from schemas.triage import Priority

_log = structlog.get_logger(__name__)

_LOOK_AT: Final = 4
"""How many times the limit is looked at, to find the urgent ones of a long backlog."""


async def fire_due(ledger: Ledger, policy: Policy, shard: int, limit: int) -> int:
    """Fire what is due in a shard, at most ``limit`` cases; return how many steps were fired."""
    epoch, micros, *found = await ledger.script("due", shard, "", limit * _LOOK_AT)
    now = from_ms(int(micros) / 1000)
    due = list(_loaded(shard, found))
    due.sort(key=lambda one: urgency_of(one[1]))
    call = Call(epoch.decode())
    for head, case in due[:limit]:
        at = max(now, case.last_event_at)
        decision = decide_deadline(case, now=at, policy=policy)
        if decision.events:
            first = decision.events[0]
            cause = Cause(id=first.cause_id, digest=first.cause_digest)
            call.commits.append(
                commit_of(decision, cause, case_id=case.case_id, expected=head, now=at)
            )
        else:
            call.commits.append(_moved(case, head, now))
    if not call.commits:
        return 0
    reply = await ledger.script("commit", shard, *call.args())
    return int(reply[0].decode().count("d"))


def _loaded(shard: int, found: Sequence[bytes]) -> Iterator[tuple[str, Case]]:
    """Yield head and case; one that cannot be read must not hold up the others' deadlines."""
    for i in range(0, len(found), 3):
        try:
            yield found[i + 1].decode(), load_case(found[i + 2])
        except ValueError as error:
            _log.error(
                "case cannot be read; its deadlines stand still",
                shard=shard,
                case=found[i].decode(),
                code=type(error).__name__,
            )


def urgency_of(case: Case) -> tuple[Priority, str]:
    """Return a sort key, least first: the highest priority still open, the earliest deadline."""
    best = min((found.priority for found in case.open_obligations), default=Priority.P4)
    due = next_due(case)
    return best, due.isoformat() if due else ""


def _moved(case: Case, head: str, now: datetime) -> Commit:
    """Return a commit that puts a stale entry of the due-set where the case's state says."""
    due = next_due(case)
    # Of this look alone: the entry may go astray again while the case stays as it is.
    cause_id = deadline_id(case.case_id, "due entry", now.isoformat())
    cause = Cause(id=cause_id, digest=digest_of(cause_id.encode()))
    commit = commit_of(
        Decision(case=case), cause, case_id=case.case_id, expected=head, now=case.last_event_at
    )
    commit.due = "-" if due is None else str(to_ms(due))
    return commit
