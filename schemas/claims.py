"""Who holds a case, and who is told while nobody has answered: events of ``cases.events.v1``.

Promises: a claim says until when it lasts and under which number; a ladder says all of its steps in
the event that starts it, so that nothing told later depends on a policy that has changed since.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from schemas.base import UtcDatetime, Wire
from schemas.stamped import Stamped
from schemas.targets import TargetKind


class FrozenStep(Wire):
    """One step of a ladder as it stood when the ladder started; a later policy moves none."""

    name: str
    notify: str
    after: timedelta
    clock: str = ""
    """The calendar on which ``after`` runs; empty: around the clock."""
    quiet: str = ""
    """The calendar in whose open hours it may be told; empty: at any time."""


class CaseClaimed(Stamped):
    """An agent or bot holds the case until ``lease_until``; ``fence`` counts claims."""

    type: Literal["case.claimed"] = "case.claimed"
    fence: int
    lease_until: UtcDatetime
    remind_at: UtcDatetime | None = None
    """When the holder is reminded, if no reply has come by then."""


class CaseReminded(Stamped):
    """The holder was reminded; without a reply the case is back in its queue at ``lease_until``."""

    type: Literal["case.reminded"] = "case.reminded"
    fence: int
    lease_until: UtcDatetime


class CaseReleased(Stamped):
    """The case is back in its queue."""

    type: Literal["case.released"] = "case.released"
    reason: Literal["released", "lease_expired"]


class CaseSnoozed(Stamped):
    """The case is hidden until a time or until the author writes."""

    type: Literal["case.snoozed"] = "case.snoozed"
    until: UtcDatetime
    next_step_at: UtcDatetime | None = None
    """If the ladder stands still meanwhile: when its next step is due after that."""


class CaseWoken(Stamped):
    """A snoozed case is in front of people again."""

    type: Literal["case.woken"] = "case.woken"
    reason: Literal["time", "author_wrote", "agent_acted"]
    lease_until: UtcDatetime | None = None
    """If somebody holds the case: until when, from now."""
    remind_at: UtcDatetime | None = None
    next_step_at: UtcDatetime | None = None
    """If the ladder stood still and runs on earlier than was said: when its next step is due."""


class CaseAtRisk(Stamped):
    """The warning share of a target has passed."""

    type: Literal["case.at_risk"] = "case.at_risk"
    mention_id: str
    due_at: UtcDatetime
    target: TargetKind = TargetKind.FIRST_RESPONSE
    """What it is a target of; that of a resolution has no mention."""


class CaseBreached(Stamped):
    """A target was missed; the ladder's next step is due at ``next_step_at``."""

    type: Literal["case.breached"] = "case.breached"
    mention_id: str
    due_at: UtcDatetime
    target: TargetKind = TargetKind.FIRST_RESPONSE
    next_step: int
    next_step_at: UtcDatetime
    steps: tuple[FrozenStep, ...] = ()
    """If the ladder starts with this: all of its steps."""
    repeat_every: timedelta | None = None


class CaseEscalated(Stamped):
    """A step of the ladder told somebody; the next one is due at ``next_step_at``."""

    type: Literal["case.escalated"] = "case.escalated"
    step: int
    step_name: str
    notify: str
    next_step: int
    next_step_at: UtcDatetime
    exhausted: bool = False
    """The ladder has no further step: the last one repeats until the case is answered."""
    steps: tuple[FrozenStep, ...] = ()
    """If the ladder starts with this: all of its steps."""
    repeat_every: timedelta | None = None


class CaseStepMoved(Stamped):
    """A step of the ladder would have been told in quiet hours: it is, when they end."""

    type: Literal["case.step_moved"] = "case.step_moved"
    step: int
    step_name: str
    next_step_at: UtcDatetime
    reason: Literal["quiet_hours"] = "quiet_hours"
