"""Clocks that are wrong move no deadline to where nobody would look: the ledger's clock decides.

Row 6 of the fault matrix: a connector an hour ahead or behind, a customer's clock anywhere.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from careline.domain.case import Obligation
from careline.domain.policy import FIRST_RESPONSE
from careline.domain.steps import next_due
from schemas.triage import Priority
from tests.support.stories import START, Story, a_mention, an_edit

HOUR = timedelta(hours=1)
TARGET = FIRST_RESPONSE[Priority.P3]


def only(story: Story) -> Obligation:
    (found,) = story.current.obligations
    return found


def fired_at(story: Story, kind: str) -> datetime:
    """Let time pass as the ledger's clock has it until a step of that kind was fired."""
    for _ in range(5):
        due = next_due(story.current)
        assert due is not None
        story.now = max(story.now, due)
        decision = story.fire()
        for event in decision.events:
            if event.type == kind:
                return story.now
    raise AssertionError(f"{kind} never came")


def test_a_connector_an_hour_ahead_puts_no_deadline_off() -> None:
    story = Story()
    story.hear(a_mention(heard_at=START + HOUR))
    assert only(story).due_at == START + TARGET
    assert only(story).heard_at == START
    assert fired_at(story, "case.breached") == START + TARGET


def test_an_edit_heard_an_hour_ahead_opens_its_query_from_now_on() -> None:
    story = Story()
    mention = a_mention()
    story.hear(mention)
    story.withdraw(mention)
    story.pass_time(minutes=5)
    story.hear(an_edit(mention, heard_at=story.now + HOUR, text="I still need help"))
    assert only(story).is_open
    assert only(story).due_at == story.now + TARGET


def test_a_connector_an_hour_behind_only_warns_sooner() -> None:
    story = Story()
    story.hear(a_mention(heard_at=START - HOUR))
    assert only(story).due_at == START - HOUR + TARGET
    assert START <= fired_at(story, "case.breached") < START + TARGET


@pytest.mark.parametrize("apart", [-HOUR, HOUR, timedelta(days=-4000), timedelta(days=4000)])
def test_a_customers_clock_moves_no_deadline(apart: timedelta) -> None:
    story = Story()
    story.hear(a_mention(created_at=START + apart))
    assert only(story).due_at == START + TARGET
