"""How a decision is put together: events stamped one after the other, each seen by the next.

Promises: versions are contiguous, event ids follow from cause, case and index alone, and the case
in hand is always the one after the events so far. A refusal is a value, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from careline.domain.case import Case, CaseStatus, Claim, Line
from careline.domain.derive import effects_of
from careline.domain.effects import Effect, Refresh
from careline.domain.evolve import evolve
from careline.domain.ladder import taken_up
from careline.domain.pauses import Facts, resuming, stopping
from careline.domain.policy import Policy
from schemas import events as e
from schemas.commands import POLICY, Actor, Disposition
from schemas.identity import event_id

Event = TypeVar("Event", bound=Any)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What brought a decision about: its id, and the sha256 of its body."""

    id: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be committed in one step."""

    events: tuple[e.CaseEvent, ...] = ()
    case: Case | None = None
    """The case after the events; None if no case is touched."""
    refusal: e.CommandRefused | None = None
    effects: tuple[Effect, ...] = ()
    line: Line | None = None
    """The new value of the line's record; None leaves it."""


class Draft:
    """A decision in the making."""

    def __init__(
        self, case: Case | None, *, case_id: str, cause: Cause, now: datetime, actor: Actor
    ) -> None:
        """Begin with the case as it is; time never runs backwards in a case."""
        self.case = case
        self.case_id = case_id
        self.cause = cause
        self.now = max(now, case.last_event_at) if case else now
        self.actor = actor
        self.events: list[e.CaseEvent] = []
        self._effects: list[Effect] = []

    def add(self, kind: type[Event], /, **facts: Any) -> None:
        """Append an event of a kind with its facts, and move the case on."""
        index = len(self.events)
        event = kind(
            event_id=event_id(self.cause.id, self.case_id, index),
            case_id=self.case_id,
            version=(self.case.version if self.case else 0) + 1,
            cause_id=self.cause.id,
            cause_digest=self.cause.digest,
            index=index,
            at=self.now,
            actor=facts.pop("actor", self.actor),
            **facts,
        )
        self.case = evolve(self.case, event)
        self.events.append(event)
        self._effects.extend(effects_of(self.case, event))

    @property
    def current(self) -> Case:
        """The case in hand. Raises ``ValueError`` if none was opened."""
        if self.case is None:
            msg = f"case {self.case_id} was not opened"
            raise ValueError(msg)
        return self.case

    def lease(self, policy: Policy) -> dict[str, datetime]:
        """Return how long a claim made now lasts, and when its holder is reminded."""
        remind_at = self.now + policy.lease * policy.reminder_share
        return {"lease_until": self.now + policy.lease, "remind_at": remind_at}

    def renewed(self, policy: Policy) -> dict[str, datetime]:
        """Return the lease of whoever holds the case, from now on; nothing if nobody does."""
        return self.lease(policy) if self.current.claim is not None else {}

    def wake(self, reason: str, policy: Policy) -> None:
        """Put a snoozed case in front of people again, and let its deadlines run on."""
        if self.rouse(reason, policy):
            self.move(resuming(self.current, now=self.now, policy=policy))

    def rouse(self, reason: str, policy: Policy) -> bool:
        """Put a snoozed case in front of people again; its holder gets a fresh lease."""
        if self.current.status is not CaseStatus.SNOOZED:
            return False
        next_step_at = taken_up(self.current.ladder, now=self.now)
        self.add(e.CaseWoken, reason=reason, next_step_at=next_step_at, **self.renewed(policy))
        return True

    def move(self, deadlines: Iterable[Facts]) -> None:
        """Move deadlines of the case: a pause began or ended."""
        for facts in tuple(deadlines):
            self.add(e.DeadlineMoved, actor=POLICY, **facts)

    def settle(self, policy: Policy, *, disposition: Disposition, waiting: bool = False) -> None:
        """End the case's turn if nothing is open and no reply is in flight."""
        case = self.current
        if case.open_obligations or case.reply is not None or not case.is_live:
            return
        if disposition is Disposition.ANSWERED:
            follow_up_at = self.now + policy.follow_up
            self.add(e.CaseAnswered, waiting_for_author=waiting, follow_up_at=follow_up_at)
            self.move(stopping(self.current, now=self.now, policy=policy))
        else:
            self.add(e.CaseResolved, disposition=disposition)

    def decision(self, *, line: Line | None = None) -> Decision:
        """Return what is to be committed; only the last refresh counts."""
        effects = [found for found in self._effects if not isinstance(found, Refresh)]
        refreshes = [found for found in self._effects if isinstance(found, Refresh)]
        return Decision(
            events=tuple(self.events),
            case=self.case,
            effects=(*effects, *refreshes[-1:]),
            line=line,
        )

    def refuse(self, command: str, reason: e.Refusal, *, claim: Claim | None = None) -> Decision:
        """Return a decision that changes nothing and says why."""
        return Decision(
            case=self.case,
            refusal=e.CommandRefused(
                event_id=event_id(self.cause.id, self.case_id, 0),
                case_id=self.case_id,
                cause_id=self.cause.id,
                cause_digest=self.cause.digest,
                at=self.now,
                actor=self.actor,
                command=command,
                reason=reason,
                holder=claim.holder if claim else None,
                since=claim.since if claim else None,
            ),
        )
