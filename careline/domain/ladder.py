"""The escalation ladder: who is told next, and when the step after that is due.

Promises: the ladder never ends: after its last step that step is told again and again
(``exhausted``) until the query is answered or closed by somebody. It never closes a case itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from careline.domain.case import Ladder
from careline.domain.policy import LadderStep, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """One step told now, and where the ladder stands after it."""

    index: int
    step: LadderStep
    then: Ladder


def start(now: datetime, policy: Policy) -> Ladder:
    """Return the ladder of a case whose first target was missed just now."""
    return Ladder(next_step=0, next_step_at=now + policy.ladder[0].after)


def climb(ladder: Ladder | None, *, now: datetime, policy: Policy) -> Climb:
    """Return the step to be told now; a case without a ladder begins at the first."""
    index = min(ladder.next_step if ladder else 0, len(policy.ladder) - 1)
    following = index + 1
    if following < len(policy.ladder):
        then = Ladder(next_step=following, next_step_at=now + policy.ladder[following].after)
    else:
        then = Ladder(next_step=index, next_step_at=now + policy.repeat_every, exhausted=True)
    return Climb(index=index, step=policy.ladder[index], then=then)
