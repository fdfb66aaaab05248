"""The escalation ladder: who is told next, and when the step after that is due.

Promises: the ladder never ends: after its last step that step is told again and again
(``exhausted``) until the query is answered or closed by somebody. It never closes a case itself.
Its steps are those of the moment at which it started; quiet hours move a step to their end and
never drop it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from careline.domain.case import Ladder
from careline.domain.policy import DEFAULT_LADDER, Policy
from schemas.events import FrozenStep

POLL_GRACE: Final = timedelta(minutes=5)
"""A step that was due in open hours is told although they ended so shortly before it was fired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """One step told now, and where the ladder stands after it."""

    index: int
    step: FrozenStep
    then: Ladder


def start(now: datetime, policy: Policy) -> Ladder:
    """Return the ladder of a case whose first target was missed just now."""
    steps = _freeze(policy)
    at = _when(steps[0], steps[0].after, now=now, policy=policy)
    return Ladder(next_step=0, next_step_at=at, steps=steps, repeat_every=policy.repeat_every)


def kept(ladder: Ladder | None, *, now: datetime, policy: Policy) -> Ladder:
    """Return a ladder with its steps: one that is none starts now.

    One that began before steps were kept in it takes the policy's.
    """
    if ladder is None:
        return start(now, policy)
    if ladder.steps:
        return ladder
    return replace(ladder, steps=_freeze(policy), repeat_every=policy.repeat_every)


def climb(ladder: Ladder | None, *, now: datetime, policy: Policy) -> Climb:
    """Return the step to be told now; a case without a ladder begins at the first."""
    standing = kept(ladder, now=now, policy=policy)
    index, step = step_of(standing)
    last = index + 1 == len(standing.steps)
    following = step if last else standing.steps[index + 1]
    # A ladder with steps has this time too; a log that lost it takes the policy's.
    after = (standing.repeat_every or policy.repeat_every) if last else following.after
    then = replace(
        standing,
        next_step=index if last else index + 1,
        next_step_at=_when(following, after, now=now, policy=policy),
        exhausted=last,
    )
    return Climb(index=index, step=step, then=then)


def step_of(ladder: Ladder) -> tuple[int, FrozenStep]:
    """Return the step that is told next, with its place on the ladder, which has steps."""
    index = min(ladder.next_step, len(ladder.steps) - 1)
    return index, ladder.steps[index]


def end_of_quiet(ladder: Ladder, *, now: datetime, policy: Policy) -> datetime | None:
    """Return when the step that is due may be told, or None if it may be told now."""
    _, step = step_of(ladder)
    hours = policy.calendar(step.quiet)
    opens = hours.next_open(now)
    if opens <= now:
        return None
    on_time = now - ladder.next_step_at <= POLL_GRACE and hours.is_open(ladder.next_step_at)
    return None if on_time else opens


def put_off(
    ladder: Ladder | None, *, now: datetime, until: datetime, policy: Policy
) -> datetime | None:
    """Return when the next step is due if the ladder stands still until then; None if it runs on.

    A second snooze begins where the first one was taken up.
    """
    if ladder is None or not policy.pauses.snoozed:
        return None
    at = taken_up(ladder, now=now) or ladder.next_step_at
    return max(at, now) + (until - now)


def taken_up(ladder: Ladder | None, *, now: datetime) -> datetime | None:
    """Return when the next step is due if the ladder was to stand still longer and runs on now."""
    if ladder is None or ladder.put_off_until is None or ladder.put_off_until <= now:
        return None
    return ladder.next_step_at - (ladder.put_off_until - now)


def _freeze(policy: Policy) -> tuple[FrozenStep, ...]:
    return tuple(
        FrozenStep(
            name=step.name,
            notify=step.notify,
            after=step.after,
            clock=step.clock,
            quiet=step.quiet,
        )
        for step in policy.ladder or DEFAULT_LADDER
    )


def _when(step: FrozenStep, after: timedelta, *, now: datetime, policy: Policy) -> datetime:
    """Return when a step is due that follows something told now."""
    at = policy.calendar(step.clock).add(now, after)
    return policy.calendar(step.quiet).next_open(at)
