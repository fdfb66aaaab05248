"""Stories whose clock may stand still: a query that is snoozed, answered, asked again."""

from __future__ import annotations

from datetime import datetime, timedelta

from careline.domain.calendars import Calendar, Span
from careline.domain.case import Case, Obligation
from careline.domain.codec import dump_case, load_case
from careline.domain.invariants import audit_case
from careline.domain.policy import Pauses, Policy
from careline.domain.steps import next_due
from schemas import commands as c
from tests.support.stories import (
    START,
    Story,
    a_mention,
    a_triage,
    types,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MOVED = "deadline.moved"
OFFICE = Calendar(
    name="office", spans=tuple(Span(weekday, 9 * HOUR, 17 * HOUR) for weekday in range(5))
)
SNOOZED = Policy(pauses=Pauses(snoozed=True))


def a_story(policy: Policy = SNOOZED, *, after: timedelta = HOUR) -> Story:
    """Return a query of START, due four hours later, at a time after it."""
    story = Story(policy)
    story.hear(a_mention())
    story.now = START + after
    return story


def snooze(story: Story, until: datetime) -> list[str]:
    return types(story.command(c.SnoozeCase, until=until).events)


def the_query(story: Story) -> Obligation:
    (found,) = story.current.open_obligations
    return found


def hear_again(story: Story, native_id: str = "101", *, query: bool = True) -> list[str]:
    mention = a_mention(native_id, created_at=story.now, heard_at=story.now)
    return types(story.hear(mention, a_triage(query=query)).events)


def answer(story: Story, *, waiting: bool = False) -> None:
    story.command(c.ReplyToCase, text="so sorry", covers=story.open_ids(), expects_answer=waiting)
    assert story.current.reply is not None
    story.outcome(story.current.reply.effect_id, native_id="900")
    assert not story.current.open_obligations


def is_sound(case: Case) -> bool:
    return audit_case(case, next_due(case)) == () and load_case(dump_case(case)) == case
