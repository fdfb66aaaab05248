"""A policy in plain figures: the deadline of a query that could come, who would be told, and why.

Promises: the same clock and ladder that decide on real queries, asked without any case; what two
policies say of the same queries can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product

from careline.domain.ladder import climb, start
from careline.domain.policy import Level, Policy, QueryFacts
from careline.domain.sla import in_words, target_of
from schemas.targets import TargetKind
from schemas.triage import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One step of the ladder, and when it is told if nobody answers."""

    name: str
    notify: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a policy says of a query that is heard at a time."""

    kind: TargetKind
    facts: QueryFacts
    heard_at: datetime
    allowed: timedelta
    calendar: str
    zone: str
    rule: str
    calendar_rule: str
    opens_at: datetime
    """When its time begins to run: later than `heard_at` if the calendar is closed then."""
    at_risk_at: datetime
    due_at: datetime
    because: str
    ladder: tuple[Told, ...]
    again_at: datetime
    """When the last step is told for the second time; it repeats from then on."""


def explain(
    kind: TargetKind, facts: QueryFacts, *, at: datetime, policy: Policy
) -> Explanation | None:
    """Return the deadline and the ladder of a query heard then; None if it has no such target."""
    level = policy.level(kind, facts)
    target = target_of(kind, facts, since=at, policy=policy)
    if level is None or target is None:
        return None
    ladder, again_at = _ladder(target.due_at, policy)
    return Explanation(
        kind=kind,
        facts=facts,
        heard_at=at,
        allowed=level.allowed,
        calendar=level.calendar.name,
        zone=level.calendar.zone,
        rule=level.rule,
        calendar_rule=level.calendar_rule,
        opens_at=level.calendar.next_open(at),
        at_risk_at=target.at_risk_at,
        due_at=target.due_at,
        because=target.because,
        ladder=ladder,
        again_at=again_at,
    )


def _ladder(due: datetime, policy: Policy) -> tuple[tuple[Told, ...], datetime]:
    """Return each step with its time, and when the last one is told again."""
    ladder = start(due, policy)
    told: list[Told] = []
    while not ladder.exhausted:
        at = ladder.next_step_at
        climbed = climb(ladder, now=at, policy=policy)
        told.append(Told(name=climbed.step.name, notify=climbed.step.notify, at=at))
        ladder = climbed.then
    return tuple(told), ladder.next_step_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a query heard then is due by the old policy and by the new one."""

    heard_at: datetime
    before: datetime | None
    after: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A target that two policies do not agree on, with the queries that it is about."""

    kind: TargetKind
    priority: Priority
    about: tuple[str, ...]
    """Queue, language and VIP of the queries; empty if it is about all of them."""
    before: str
    after: str
    moments: tuple[Moment, ...]


def compare(
    old: Policy, new: Policy, *, queues: Sequence[tuple[str, str]], instants: Sequence[datetime]
) -> Iterator[Change]:
    """Yield what changes for queries of all kinds: by account and queue, heard at sample times."""
    samples = tuple(_samples((old, new), queues))
    for kind, priority in product(TargetKind, Priority):
        found: dict[tuple[str, str, tuple[Moment, ...]], list[str]] = {}
        for sample in samples:
            facts = sample._replace(priority=priority)
            moments = _moments(kind, facts, instants, old, new)
            if moments:
                said = (_said(old.level(kind, facts)), _said(new.level(kind, facts)))
                found.setdefault((*said, moments), []).append(_about(facts))
        for (before, after, moments), about in found.items():
            yield Change(
                kind=kind,
                priority=priority,
                about=() if len(about) == len(samples) else tuple(about),
                before=before,
                after=after,
                moments=moments,
            )


def _samples(policies: Iterable[Policy], queues: Iterable[tuple[str, str]]) -> Iterator[QueryFacts]:
    """Yield one query for each thing that some rule could ask for."""
    rules = [rule for policy in policies for rule in policy.rules]
    languages = sorted({each for rule in rules for each in rule.languages})
    vips = (False, True) if any(rule.vip is not None for rule in rules) else (False,)
    for (account, queue), language, vip in product(queues, ["", *languages], vips):
        yield QueryFacts(Priority.P1, account, queue, language, vip)


def _moments(
    kind: TargetKind, facts: QueryFacts, instants: Iterable[datetime], old: Policy, new: Policy
) -> tuple[Moment, ...]:
    """Return the times at which the two policies do not agree."""
    found = []
    for at in instants:
        before = target_of(kind, facts, since=at, policy=old)
        after = target_of(kind, facts, since=at, policy=new)
        moment = Moment(
            heard_at=at,
            before=before.due_at if before else None,
            after=after.due_at if after else None,
        )
        if moment.before != moment.after:
            found.append(moment)
    return tuple(found)


def _said(level: Level | None) -> str:
    return f"{in_words(level.allowed)}, {level.calendar.name}" if level else "none"


def _about(facts: QueryFacts) -> str:
    parts = (facts.queue, facts.language, "VIP" if facts.vip else "")
    return ", ".join(part for part in parts if part)
