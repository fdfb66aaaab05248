"""The SLA clock: when an answer to a query is due, and why.

Promises: time runs from ``heard_at``, stamped once by the connector, so a replay finds the same
deadline; every deadline says how it was found. A deadline that stands in a case stays what it was,
whatever becomes of the policy: only a re-target, for a query that is another one now, asks the
policy again, and it keeps the time already used.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from careline.domain.calendars import ALWAYS, Calendar
from careline.domain.case import Obligation, Resolution
from careline.domain.policy import Level, Policy, QueryFacts
from schemas.targets import TargetKind, Terms
from schemas.triage import Priority

_NONE: Final = timedelta(0)
_MINUTE: Final = 60
_HOUR: Final = 3600

Clocked = Obligation | Resolution
"""What has a deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The warning time and the deadline, with their derivation in words."""

    at_risk_at: datetime
    due_at: datetime
    because: str
    terms: Terms | None = None
    """None where there is nothing to say: a first response around the clock, by no rule."""


def target_of(
    kind: TargetKind, facts: QueryFacts, *, since: datetime, policy: Policy
) -> Target | None:
    """Return the target of a query whose time runs from ``since``, or None if it has none."""
    level = policy.level(kind, facts)
    if level is None:
        return None
    calendar = level.calendar
    due = calendar.add(since, level.allowed)
    said = said_of(kind, level.allowed, facts.priority, level.rule, calendar.name)
    plain = kind is TargetKind.FIRST_RESPONSE and calendar is ALWAYS and not policy.rules
    return Target(
        at_risk_at=calendar.add(since, level.allowed * policy.at_risk_share),
        due_at=due,
        because=f"{said}, due {moment(due, since, calendar)}",
        terms=None if plain else _terms(kind, facts, level, since, _NONE),
    )


def response(kind: TargetKind, facts: QueryFacts, *, since: datetime, policy: Policy) -> Target:
    """Return the first- or next-response target of a query; every query has one.

    Raises:
        ValueError: the policy was made without a first response for this priority.
    """
    target = target_of(kind, facts, since=since, policy=policy)
    if target is None:
        msg = f"policy {policy.name} has no {kind} for {facts.priority}"
        raise ValueError(msg)
    return target


def retarget(known: Obligation, facts: QueryFacts, *, now: datetime, policy: Policy) -> Target:
    """Return the target of an open query that is another one now; the time already used is kept.

    A query that is no other keeps its deadline, whatever the policy says today. On the same
    calendar the time runs on from where it began. On another one, what was used on the old one is
    taken off, and the rest runs from now, or from the end of a pause.
    """
    before = terms_of(known)
    level = policy.level(before.target, facts)
    if level is None or _is_same(known, facts):
        return Target(
            at_risk_at=known.at_risk_at,
            due_at=known.due_at,
            because=known.because,
            terms=known.terms,
        )
    calendar, old = level.calendar, policy.calendar(before.calendar)
    runs_from, used = before.runs_from or now, before.used
    spent = used + old.worked(runs_from, now)
    if calendar.name != old.name:
        runs_from, used = max(now, runs_from), spent
    due = calendar.add(runs_from, level.allowed - used)
    said = said_of(before.target, level.allowed, facts.priority, level.rule, calendar.name)
    terms = _terms(before.target, facts, level, runs_from, used)
    still = before.paused and runs_from > now
    plain = known.terms is None and calendar is ALWAYS and not policy.rules
    return Target(
        at_risk_at=calendar.add(runs_from, level.allowed * policy.at_risk_share - used),
        due_at=due,
        because=f"{said}{spent_of(spent)}, due {moment(due, now, calendar)}",
        terms=None if plain else terms.model_copy(update={"paused": still}),
    )


def _is_same(known: Obligation, facts: QueryFacts) -> bool:
    """Whether nothing has changed that the policy looks at."""
    asked = known.terms
    if asked is not None and (asked.language, asked.vip) != (facts.language, facts.vip):
        return False
    return known.priority is facts.priority


def terms_of(known: Clocked) -> Terms:
    """Return the terms of a deadline; without any it is a first response around the clock."""
    if known.terms is not None:
        return known.terms
    return Terms(allowed=known.due_at - known.heard_at, runs_from=known.heard_at)


def _terms(
    kind: TargetKind, facts: QueryFacts, level: Level, runs_from: datetime, used: timedelta
) -> Terms:
    return Terms(
        target=kind,
        allowed=level.allowed,
        calendar="" if level.calendar is ALWAYS else level.calendar.name,
        runs_from=runs_from,
        used=used,
        language=facts.language,
        vip=facts.vip,
    )


@lru_cache(maxsize=1024)
def said_of(
    kind: TargetKind, allowed: timedelta, priority: Priority, rule: str, calendar: str
) -> str:
    """Return what a target is, in words."""
    by = f" by rule {rule}" if rule else ""
    return f"{kind.replace('_', ' ')} {in_words(allowed)} for {priority}{by}, {calendar}"


def in_words(duration: timedelta) -> str:
    """Return a duration exactly, in the largest unit that fits: `90 min`, `2 h`."""
    seconds = duration.total_seconds()
    for size, unit in ((_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)} {unit}"
    return f"{seconds:g} s"


def spent_of(used: timedelta) -> str:
    """Return the time used in words, in whole minutes; nothing below a minute."""
    hours, minutes = divmod(int(used.total_seconds()) // _MINUTE, _MINUTE)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return f", {' '.join(parts)} used" if parts else ""


def moment(at: datetime, seen: datetime, calendar: Calendar) -> str:
    """Return an instant on the calendar's own wall clock, with its date if it is another day's."""
    local = calendar.local(at)
    time = f"{local.hour:02}:{local.minute:02} {local.tzname()}"
    return time if local.date() == calendar.local(seen).date() else f"{local.date()} {time}"
