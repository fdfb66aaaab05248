"""Which urgency a message has at least, by the rulebook: pure, from what was found and is known.

Promise: a floor only raises; there is no rule that could lower anything or move a deadline away.
Each floor says why, in the rulebook's words. One that is `sure` makes the message a query,
whatever triage thought of it; the others count where it is a query already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.triage import Urgency

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from careline.triage.context import Context
    from careline.triage.rules.findings import Found
    from careline.triage.rules.rulebook import FromNumber, FromTime, Rulebook, Within

RANK: Final = {urgency: rank for rank, urgency in enumerate(Urgency)}
_HOUR_S: Final = 3600
_DAY_HOURS: Final = 24


class Floor(NamedTuple):
    """An urgency, and why a message has it at least."""

    urgency: Urgency
    reason: str
    sure: bool = False


def floors(found: Found | None, context: Context, rulebook: Rulebook) -> list[Floor]:
    """Return all floors of a message, the highest first."""
    made = [*_by_context(context, rulebook), *(_by_text(found, rulebook) if found else ())]
    made.sort(key=lambda floor: -RANK[floor.urgency])
    return made


def _by_text(found: Found, rulebook: Rulebook) -> Iterator[Floor]:
    for name, words in found.workflows.items():
        workflow = rulebook.workflows[name]
        urgency = workflow.urgency
        reason = f"{name}: {workflow.says} (\u201c{words}\u201d)"
        yield Floor(urgency, reason, sure=RANK[urgency] >= RANK[Urgency.HIGH])
    if (step := _reached(rulebook.money.floors, found.money)) is not None:
        yield Floor(Urgency(step.floor), "money: a large sum is named")
    if (wait := _reached(rulebook.waiting.floors, found.waited)) is not None:
        yield Floor(Urgency(wait.floor), f"wait: says {_time(wait.from_)} or more")
    if found.within is not None and (near := _near(rulebook.deadlines.floors, found.within)):
        reason = f"deadline: \u201c{found.event}\u201d within {_time(near.within)}"
        yield Floor(Urgency(near.floor), reason)


def _by_context(context: Context, rulebook: Rulebook) -> Iterator[Floor]:
    tiers, thread = rulebook.tiers, rulebook.thread
    if context.vip and tiers.vip is not None:
        yield Floor(Urgency(tiers.vip), "VIP: one of the policy's")
    if (tier := _reached(tiers.followers, context.followers or 0)) is not None:
        reason = f"reach: {tier.from_:,.0f} followers or more"
        yield Floor(Urgency(tier.floor), reason)
    if (again := _reached(thread.contacts, context.contacts)) is not None:
        reason = f"contact: writes for the {_ordinal(context.contacts)} time without an answer"
        yield Floor(Urgency(again.floor), reason)
    if (wait := _reached(thread.waiting, context.waiting / _HOUR_S)) is not None:
        yield Floor(Urgency(wait.floor), f"wait: unanswered for {_time(wait.from_)} or more")


def _reached(steps: Sequence[FromNumber | FromTime], value: float) -> FromNumber | FromTime | None:
    """Return the highest of the steps that a value reaches."""
    reached = [step for step in steps if value >= step.from_]
    return max(reached, key=_rank, default=None)


def _near(steps: Sequence[Within], hours: float) -> Within | None:
    return max((step for step in steps if hours <= step.within), key=_rank, default=None)


def _rank(step: FromNumber | FromTime | Within) -> int:
    return RANK[Urgency(step.floor)]


def _time(hours: float) -> str:
    if hours >= _DAY_HOURS and hours % _DAY_HOURS == 0:
        days = hours / _DAY_HOURS
        return f"{days:g} day{'s' if days != 1 else ''}"
    return f"{hours:g} h"


def _ordinal(number: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(number, f"{number}th")
