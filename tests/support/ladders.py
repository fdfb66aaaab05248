"""Ladders for tests: their steps, a working week, and a query that has just missed its target."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from careline.domain.calendars import Calendar, Span
from careline.domain.case import Ladder
from careline.domain.policy import LadderStep, Policy
from schemas import events as e
from tests.support.stories import Story, a_mention, types

HOUR = timedelta(hours=1)
WORK = Calendar(
    name="work",
    spans=tuple(Span(day, timedelta(hours=9), timedelta(hours=17)) for day in range(5)),
)
"""Monday to Friday, nine to five, UTC; `START` is a Monday at nine."""
EVENING = datetime(2026, 11, 2, 20, 0, tzinfo=UTC)
TUESDAY_NINE = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)


def a_policy(*steps: LadderStep, **rules: object) -> Policy:
    return Policy(ladder=steps, calendars={"work": WORK}, **rules)  # type: ignore[arg-type]


def a_step(name: str, notify: str = "", **rules: object) -> LadderStep:
    facts = {"after": timedelta(minutes=30)} | rules
    return LadderStep(name=name, notify=notify or name, **facts)  # type: ignore[arg-type]


def a_breach(policy: Policy | None = None) -> Story:
    """Return a story whose query has just missed its target, four hours after `START`."""
    story = Story(policy)
    story.hear(a_mention())
    story.next_step()
    story.next_step()
    assert types(story.events)[-1] == "case.breached"
    return story


def ladder_of(story: Story) -> Ladder:
    assert story.current.ladder is not None
    return story.current.ladder


def told(story: Story) -> list[str]:
    return [event.notify for event in story.events if isinstance(event, e.CaseEscalated)]
