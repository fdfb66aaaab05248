"""The invariants of a shard and of its cases, one small class each.

Promises: each is a pure judgement of what was read, names what is wrong in words, and holds at any
time in a running careline, through restarts and recoveries too. None knows how to repair by itself:
it says what may be asked of whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import ClassVar, Final, Protocol

from careline.domain.case import Case
from careline.domain.effects import NOTIFY, SLACK, card_effect
from careline.domain.invariants import (
    CHECKS,
    Check,
    closed_case_has_a_reason_and_an_actor,
    closed_query_has_a_reason,
    deadline_is_the_earliest,
    live_case_has_a_deadline,
)
from careline.domain.steps import next_due
from careline.ledger.auditing.bounds import Bounds
from careline.ledger.auditing.facts import ShardFacts
from careline.ledger.auditing.findings import Finding, LookAgain, Recovery
from schemas.topics import CASES_COMMANDS, MENTIONS_TRIAGED

_RESOLUTION: Final = timedelta(milliseconds=1)
"""Of the due-set."""
_CLOSED: Final = (closed_case_has_a_reason_and_an_actor, closed_query_has_a_reason)
_CHECKED_APART: Final = (*_CLOSED, deadline_is_the_earliest, live_case_has_a_deadline)


class ShardInvariant(Protocol):
    """Holds for a shard."""

    name: ClassVar[str]

    def broken(self, facts: ShardFacts) -> Iterator[Finding]:
        """Yield what it does not hold for."""
        ...


class CaseInvariant(Protocol):
    """Holds for each case of a shard."""

    name: ClassVar[str]

    def broken(self, case: Case, facts: ShardFacts) -> Iterator[Finding]:
        """Yield what it does not hold for; every case of a look is shown once."""
        ...


def _held(name: str, checks: Iterable[Check], case: Case, facts: ShardFacts) -> Iterator[Finding]:
    """Yield a finding for each of the domain's checks that a case fails."""
    for check in checks:
        for problem in check(case, None):
            yield _of_case(name, case, facts, problem.removeprefix(f"{case.case_id}: "))


def _of_case(
    name: str, case: Case, facts: ShardFacts, says: str, repair: LookAgain | None = None
) -> Finding:
    """Return a finding about a case: the same one until the case has changed."""
    return Finding(
        invariant=name,
        shard=facts.shard,
        subject=case.case_id,
        says=says,
        evidence=str(case.version),
        repair=repair,
    )


class OpenCaseHasADeadline:
    """Every case that is not over stands in the due-set, no later than its earliest step."""

    name: ClassVar[str] = "open_case_has_a_deadline"

    def broken(self, case: Case, facts: ShardFacts) -> Iterator[Finding]:
        """Yield a case whose next step nobody would notice, or only too late."""
        wanted, found = next_due(case), facts.due.get(case.case_id)
        if wanted is None:
            if case.open_obligations:
                says = f"{len(case.open_obligations)} open queries and no step is to come"
                yield self._finding(case, facts, says)
        elif found is None:
            yield self._finding(case, facts, f"due {wanted:%F %T} by its state, not in the due-set")
        elif found - wanted > _RESOLUTION:
            says = f"due {wanted:%F %T} by its state, {found:%F %T} in the due-set"
            yield self._finding(case, facts, says)

    def _finding(self, case: Case, facts: ShardFacts, says: str) -> Finding:
        look_again = LookAgain(facts.shard, "due", case.case_id)
        return _of_case(self.name, case, facts, says, look_again)


class DeadlineIsNotLate:
    """What stands in the due-set is fired when it is due."""

    name: ClassVar[str] = "deadline_is_not_late"

    def __init__(self, bounds: Bounds) -> None:
        """Allow for a worker that dies."""
        self._late = bounds.deadline_late

    def broken(self, facts: ShardFacts) -> Iterator[Finding]:
        """Yield what has been due for too long."""
        for case_id, due in facts.due.items():
            if facts.now - due > self._late:
                yield Finding(
                    invariant=self.name,
                    shard=facts.shard,
                    subject=case_id,
                    says=f"its step was due {due:%F %T} and nobody has fired it",
                    evidence=due.isoformat(),
                )


class ClosedCaseSaysWhyAndWho:
    """Every closed case has a reason and an actor, and every closed query a reason."""

    name: ClassVar[str] = "closed_case_says_why_and_who"

    def broken(self, case: Case, facts: ShardFacts) -> Iterator[Finding]:
        """Yield a case that was closed in silence."""
        yield from _held(self.name, _CLOSED, case, facts)


class CaseIsSound:
    """What the domain holds of a case beside its deadline and its end: holder, snooze, ladder."""

    name: ClassVar[str] = "case_is_sound"

    def broken(self, case: Case, facts: ShardFacts) -> Iterator[Finding]:
        """Yield a case in a state that no decision leads to."""
        rest = [check for check in CHECKS if check not in _CHECKED_APART]
        yield from _held(self.name, rest, case, facts)


class CaseHasOneCard:
    """Every case has one card of its own in front of people, or one that is on its way."""

    name: ClassVar[str] = "case_has_one_card"

    def __init__(self, bounds: Bounds) -> None:
        """Start without having seen a card."""
        self._within = bounds.card_within
        self._seen: dict[tuple[str, str], str] = {}

    def broken(self, case: Case, facts: ShardFacts) -> Iterator[Finding]:
        """Yield a case without a card, with two, or with another case's."""
        on_its_way = card_effect(case.case_id) in facts.effects
        if case.card is None:
            young = facts.now - case.opened_at <= self._within
            if case.is_live and not on_its_way and not young:
                says = "it has no card, and nothing that will post one"
                yield _of_case(self.name, case, facts, says)
            return
        if on_its_way:
            says = "it has a card, and another one is to be posted"
            yield _of_case(self.name, case, facts, says)
        place = (case.card.channel, case.card.ts)
        owner = self._seen.setdefault(place, case.case_id)
        if owner != case.case_id:
            yield _of_case(self.name, case, facts, f"its card is that of {owner}")


class NothingAcknowledgedIsUnseen:
    """No offset of the workers' group is past what the ledger has taken in."""

    name: ClassVar[str] = "nothing_acknowledged_is_unseen"
    topics: ClassVar[tuple[str, ...]] = (MENTIONS_TRIAGED.name, CASES_COMMANDS.name)

    def broken(self, facts: ShardFacts) -> Iterator[Finding]:
        """Yield a topic of which Kafka will not deliver what the ledger has not seen."""
        if not facts.fence.healthy:
            return
        for topic in self.topics:
            expected = facts.inputs.get(topic, -1) + 1
            committed = facts.committed.get(topic, 0)
            if committed > expected:
                yield Finding(
                    invariant=self.name,
                    shard=facts.shard,
                    subject=f"{topic}[{facts.shard}]",
                    says=f"acknowledged up to {committed}, the ledger has it up to {expected}",
                    evidence=str(expected),
                    repair=Recovery(facts.shard, facts.fence.value),
                )


class OutboxMoves:
    """What happened reaches the log."""

    name: ClassVar[str] = "outbox_moves"

    def __init__(self, bounds: Bounds) -> None:
        """Allow for a worker that dies."""
        self._late = bounds.outbox_late

    def broken(self, facts: ShardFacts) -> Iterator[Finding]:
        """Yield an outbox that nobody sends."""
        oldest = facts.outbox_oldest
        if oldest is not None and facts.now - oldest > self._late:
            yield Finding(
                invariant=self.name,
                shard=facts.shard,
                subject=f"outbox[{facts.shard}]",
                says=f"its oldest event has waited since {oldest:%F %T}",
                evidence=oldest.isoformat(),
            )


class EffectHasANextAttempt:
    """Every effect without an outcome will be looked at by its executor."""

    name: ClassVar[str] = "effect_has_a_next_attempt"

    def __init__(self, bounds: Bounds) -> None:
        """Allow for paced channels."""
        self._late = bounds.effect_late

    def broken(self, facts: ShardFacts) -> Iterator[Finding]:
        """Yield an effect that nobody will look at, or has for a long time."""
        for effect in facts.effects.values():
            if effect.next_at is None:
                repair = LookAgain(facts.shard, f"effects:{effect.executor}", effect.effect_id)
                yield self._finding(effect.effect_id, facts, "nobody will attempt it", repair)
            elif facts.now - effect.next_at > self._late:
                says = f"{effect.executor} should have looked at it {effect.next_at:%F %T}"
                yield self._finding(effect.effect_id, facts, says, None)

    def _finding(
        self, effect_id: str, facts: ShardFacts, says: str, repair: LookAgain | None
    ) -> Finding:
        return Finding(
            invariant=self.name, shard=facts.shard, subject=effect_id, says=says, repair=repair
        )


class EffectGetsThrough:
    """What was attempted gets through or is refused: whom nobody lets in, somebody has to tell.

    One attempt that failed is weather, and what waits for its turn was not attempted.
    """

    name: ClassVar[str] = "effect_gets_through"

    def __init__(self, bounds: Bounds) -> None:
        """Allow for limits and searches."""
        self._telling, self._replying = bounds.effect_refused, bounds.reply_refused

    def broken(self, facts: ShardFacts) -> Iterator[Finding]:
        """Yield each executor that has not got its oldest effect through in time."""
        stuck: dict[str, list[datetime]] = {}
        for effect in facts.effects.values():
            # In doubt for as long is stuck too: nobody answers the search for it.
            since = effect.asked_at if effect.attempts > 1 else effect.attempted_at
            late = self._telling if effect.executor in {SLACK, NOTIFY} else self._replying
            if effect.attempts and since is not None and facts.now - since > late:
                stuck.setdefault(effect.executor, []).append(effect.asked_at or since)
        for executor, found in stuck.items():
            oldest = min(found)
            yield Finding(
                invariant=self.name,
                shard=facts.shard,
                subject=f"{executor}[{facts.shard}]",
                says=f"{len(found)} effects do not get through, the oldest since {oldest:%F %T}",
                evidence=oldest.isoformat(),
            )


class EffectIsReadable:
    """What is to be done outside can be read by whoever has to do it."""

    name: ClassVar[str] = "effect_is_readable"

    def broken(self, facts: ShardFacts) -> Iterator[Finding]:
        """Yield an effect whose bytes are no intent."""
        says = f"it cannot be read: careline ledger rebuild --shard {facts.shard} makes it anew"
        for effect_id in facts.unreadable_effects:
            yield Finding(invariant=self.name, shard=facts.shard, subject=effect_id, says=says)


class ShardIsCaredFor:
    """A shard whose fence does not hold is recovered by some worker soon."""

    name: ClassVar[str] = "shard_is_cared_for"

    def __init__(self, bounds: Bounds) -> None:
        """Start without having seen a shard."""
        self._within = bounds.unrecovered
        self._since: dict[int, datetime] = {}

    def broken(self, facts: ShardFacts) -> Iterator[Finding]:
        """Yield a shard that has waited for its recovery for too long."""
        if facts.fence.healthy:
            self._since.pop(facts.shard, None)
            return
        since = self._since.setdefault(facts.shard, facts.now)
        if facts.now - since > self._within:
            yield Finding(
                invariant=self.name,
                shard=facts.shard,
                subject=f"shard[{facts.shard}]",
                says=f"no worker has recovered it since {since:%F %T}",
            )


def shard_invariants(bounds: Bounds) -> tuple[ShardInvariant, ...]:
    """Return what holds for every shard."""
    return (
        ShardIsCaredFor(bounds),
        NothingAcknowledgedIsUnseen(),
        DeadlineIsNotLate(bounds),
        OutboxMoves(bounds),
        EffectHasANextAttempt(bounds),
        EffectGetsThrough(bounds),
        EffectIsReadable(),
    )


def case_invariants(bounds: Bounds) -> tuple[CaseInvariant, ...]:
    """Return what holds for every case; made anew for each look over all shards."""
    return (
        OpenCaseHasADeadline(),
        ClosedCaseSaysWhyAndWho(),
        CaseIsSound(),
        CaseHasOneCard(bounds),
    )
