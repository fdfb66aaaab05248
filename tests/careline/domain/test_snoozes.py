"""Snoozes: how long, how often, and that nobody can hide a query for ever."""

from __future__ import annotations

from datetime import timedelta

from careline.domain.case import CaseStatus
from careline.domain.policy import Policy
from schemas import commands as c
from schemas import events as e
from tests.support.stories import ANA, START, Story, a_mention, an_edit, types

_HOUR = timedelta(hours=1)


def a_story(**rules: object) -> Story:
    story = Story(Policy(**rules))  # type: ignore[arg-type]
    story.hear(a_mention())
    return story


def snooze(story: Story, **amount: float) -> None:
    story.command(c.SnoozeCase, until=story.now + timedelta(**amount))


def test_snooze_lasts_as_long_as_asked_up_to_the_cap() -> None:
    story = a_story(snooze_at_most=2 * _HOUR)
    snooze(story, hours=2)
    assert story.current.snoozed_until == START + 2 * _HOUR
    snooze(story, hours=2, seconds=1)
    assert story.current.snoozed_until == START + 2 * _HOUR


def test_snooze_to_now_is_refused() -> None:
    story = a_story()
    snooze(story, seconds=0)
    assert story.refusals[-1].reason is e.Refusal.NOT_IN_FUTURE
    snooze(story, microseconds=1)
    assert story.current.status is CaseStatus.SNOOZED


def test_query_can_be_snoozed_only_so_often_and_then_says_so() -> None:
    story = a_story(snoozes_at_most=2)
    story.command(c.ClaimCase, actor=ANA)
    for _ in range(2):
        snooze(story, minutes=5)
        story.next_step()
        assert types(story.events)[-1] == "case.woken"
    snooze(story, minutes=5)
    assert story.refusals[-1].reason is e.Refusal.SNOOZED_TOO_OFTEN
    assert story.refusals[-1].holder == ANA
    assert story.current.status is CaseStatus.CLAIMED


def test_case_snoozed_as_often_as_may_be_climbs_its_ladder() -> None:
    story = a_story()
    for _ in range(60):
        snooze(story, hours=24)
        story.next_step()
    assert len([found for found in story.events if isinstance(found, e.CaseSnoozed)]) == 3
    assert len([found for found in story.events if isinstance(found, e.CaseEscalated)]) > 50
    assert story.current.is_exhausted
    assert story.current.status is not CaseStatus.SNOOZED


def test_default_is_three_snoozes_for_a_query() -> None:
    story = a_story()
    for _ in range(4):
        snooze(story, minutes=5)
    assert [event.type for event in story.events].count("case.snoozed") == 3
    assert [found.reason for found in story.refusals] == [e.Refusal.SNOOZED_TOO_OFTEN]


def test_new_query_does_not_reset_the_count_of_an_older_one() -> None:
    story = a_story(snoozes_at_most=1)
    snooze(story, minutes=5)
    story.hear(a_mention("101"))
    assert [found.snoozes for found in story.current.obligations] == [1, 0]
    snooze(story, minutes=5)
    assert story.refusals[-1].reason is e.Refusal.SNOOZED_TOO_OFTEN


def test_case_can_be_snoozed_again_once_the_older_query_is_answered() -> None:
    story = a_story(snoozes_at_most=1)
    snooze(story, minutes=5)
    story.hear(a_mention("101"))
    first = story.open_ids()[:1]
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=first)
    snooze(story, minutes=5)
    assert story.current.status is CaseStatus.SNOOZED
    assert [found.snoozes for found in story.current.obligations] == [1, 1]


def test_query_that_is_open_again_begins_to_count_anew() -> None:
    story = a_story(snoozes_at_most=1)
    snooze(story, minutes=5)
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=story.open_ids())
    story.hear(an_edit(a_mention(), heard_at=story.now))
    assert story.current.open_obligations[0].snoozes == 0
    snooze(story, minutes=5)
    assert story.current.status is CaseStatus.SNOOZED


def test_answered_case_has_no_query_to_count() -> None:
    story = a_story(snoozes_at_most=0)
    snooze(story, minutes=5)
    assert story.refusals[-1].reason is e.Refusal.SNOOZED_TOO_OFTEN
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    assert story.current.reply is not None
    story.outcome(story.current.reply.effect_id, native_id="900")
    snooze(story, minutes=5)
    assert story.current.status is CaseStatus.SNOOZED


def test_reply_to_a_snoozed_case_wakes_it_first() -> None:
    story = a_story()
    snooze(story, hours=1)
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    assert types(story.events)[-3:] == ["case.woken", "case.claimed", "reply.requested"]


def test_holder_who_replies_to_the_case_they_snoozed_wakes_it() -> None:
    story = a_story()
    story.command(c.ClaimCase, actor=ANA)
    snooze(story, hours=1)
    story.pass_time(minutes=10)
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    assert types(story.events)[-2:] == ["case.woken", "reply.requested"]
    assert story.current.claim is not None
    assert story.current.claim.lease_until == story.now + story.policy.lease


def test_part_of_a_case_resolved_while_it_is_snoozed_wakes_it() -> None:
    story = a_story()
    story.hear(a_mention("101"))
    snooze(story, hours=1)
    first = story.open_ids()[:1]
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=first)
    assert types(story.events)[-1] == "case.woken"
    assert story.current.is_live
