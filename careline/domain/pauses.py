"""Pauses: what the policy takes off the clock while a case is hidden or it is the author's turn.

Promises: by default nothing is taken off. Where the policy says so, a snooze moves a deadline by
as much working time as it hides, and an early wake moves it back; the deadline stands in the
due-set all the while, beside the wake. A deadline or warning that is past is never moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from careline.domain.case import Case, Obligation, Resolution
from careline.domain.policy import Policy
from careline.domain.sla import Clocked, Target, moment, said_of, spent_of, terms_of

Facts = dict[str, Any]
"""What a `DeadlineMoved` says."""


def pausing(case: Case, *, now: datetime, policy: Policy) -> Iterator[Facts]:
    """Yield the deadlines that a snooze of the case moves to the time after it."""
    until = case.snoozed_until
    if policy.pauses.snoozed and until is not None:
        yield from _facts(case, lambda known: paused(known, now=now, until=until, policy=policy))


def resuming(case: Case, *, now: datetime, policy: Policy) -> Iterator[Facts]:
    """Yield the deadlines that run on because the case is in front of people again.

    What stood still because nothing was open does so until something is.
    """
    if case.open_obligations:
        yield from _facts(case, lambda known: resumed(known, now=now, policy=policy))


def stopping(case: Case, *, now: datetime, policy: Policy) -> Iterator[Facts]:
    """Yield the resolution that stands still while nothing of ours is open."""
    if policy.pauses.waiting:
        yield from _facts(case, lambda known: stopped(known, now=now, policy=policy))


def _facts(case: Case, move: Callable[[Clocked], Target | None]) -> Iterator[Facts]:
    found: list[Obligation | Resolution] = [*case.open_obligations]
    if case.resolution is not None:
        found.append(case.resolution)
    for known in found:
        target = move(known)
        if target is not None:
            yield {
                "mention_id": known.mention_id if isinstance(known, Obligation) else "",
                "at_risk_at": target.at_risk_at,
                "due_at": target.due_at,
                "because": target.because,
                "terms": target.terms,
            }


def paused(known: Clocked, *, now: datetime, until: datetime, policy: Policy) -> Target | None:
    """Return the deadline of what stands still until then; None if that does not move it."""
    runs_from = terms_of(known).runs_from
    if runs_from is None:
        return None
    return _moved(known, since=max(runs_from, now), to=until, now=now, policy=policy)


def resumed(known: Clocked, *, now: datetime, policy: Policy) -> Target | None:
    """Return the deadline of what runs on before its pause was to end; None if it runs already."""
    before = terms_of(known)
    if before.runs_from is None:
        return _restarted(known, now=now, policy=policy)
    if not before.paused or before.runs_from <= now:
        return None
    return _moved(known, since=before.runs_from, to=now, now=now, policy=policy)


def stopped(known: Clocked, *, now: datetime, policy: Policy) -> Target | None:
    """Return the deadline of what stands still without an end; None if it is past or stands."""
    before = terms_of(known)
    if before.runs_from is None or known.due_at <= now:
        return None
    calendar = policy.calendar(before.calendar)
    used = before.used + calendar.worked(before.runs_from, now)
    said = said_of(before.target, before.allowed, known.priority, "", calendar.name)
    return Target(
        at_risk_at=known.at_risk_at,
        due_at=known.due_at,
        because=f"{said}{spent_of(used)}, stands still until the author writes",
        terms=before.model_copy(update={"used": used, "runs_from": None}),
    )


def _restarted(known: Clocked, *, now: datetime, policy: Policy) -> Target:
    """Let the rest of what stood still run from now."""
    before = terms_of(known)
    calendar = policy.calendar(before.calendar)
    due = calendar.add(now, before.allowed - before.used)
    said = said_of(before.target, before.allowed, known.priority, "", calendar.name)
    return Target(
        at_risk_at=calendar.add(now, before.allowed * policy.at_risk_share - before.used),
        due_at=due,
        because=f"{said}{spent_of(before.used)}, due {moment(due, now, calendar)}",
        terms=before.model_copy(update={"runs_from": now}),
    )


def _moved(
    known: Clocked, *, since: datetime, to: datetime, now: datetime, policy: Policy
) -> Target | None:
    """Let what is left at ``since`` run from ``to``; None if that changes nothing."""
    before = terms_of(known)
    calendar = policy.calendar(before.calendar)
    due = calendar.add(to, calendar.worked(since, known.due_at))
    if known.due_at <= now or due == known.due_at:
        return None
    at_risk = known.at_risk_at
    if at_risk > since:
        at_risk = calendar.add(to, calendar.worked(since, at_risk))
    used = before.used + calendar.worked(before.runs_from or since, now)
    said = said_of(before.target, before.allowed, known.priority, "", calendar.name)
    until = f", paused until {moment(to, now, calendar)}" if to > now else ""
    return Target(
        at_risk_at=at_risk,
        due_at=due,
        because=f"{said}{spent_of(used)}{until}, due {moment(due, now, calendar)}",
        terms=before.model_copy(update={"used": used, "runs_from": to, "paused": to > now}),
    )
