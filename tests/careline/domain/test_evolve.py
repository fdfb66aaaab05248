"""How events change a case: every kind, also where it finds nothing to change; old shapes too."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from careline.domain.case import CaseStatus, Obligation, is_same
from careline.domain.draft import Cause, Draft
from careline.domain.evolve import evolve
from careline.domain.operations import AUDITOR, NIGHTLY, Trouble, operations_case, trouble_of
from careline.domain.steps import next_due
from schemas import commands as c
from schemas import events as e
from schemas.triage import Priority, Sentiment, Urgency
from tests.support.stories import (
    ANA,
    BEN,
    START,
    Story,
    a_mention,
    an_edit,
    an_own_post,
    types,
)


def a_story() -> Story:
    story = Story()
    story.hear(a_mention())
    return story


def an_event(story: Story, kind: type[Any], **facts: Any) -> Any:
    """Return an event as the log may hold it, whatever the case looks like."""
    return kind(
        event_id="event",
        case_id=story.current.case_id,
        version=story.current.version + 1,
        cause_id="cause",
        cause_digest="digest",
        index=0,
        at=story.now,
        actor=ANA,
        **facts,
    )


def test_no_event_but_the_first_begins_a_case() -> None:
    released = an_event(a_story(), e.CaseReleased, reason="released")
    with pytest.raises(ValueError, match=r"case\.released cannot begin case s"):
        evolve(None, released)


def test_draft_without_a_case_has_nothing_in_hand() -> None:
    cause = Cause(id="cause", digest="digest")
    draft = Draft(None, case_id="s00-x-1", cause=cause, now=START, actor=ANA)
    with pytest.raises(ValueError, match="case s00-x-1 was not opened"):
        assert draft.current


def test_time_of_a_case_never_runs_backwards() -> None:
    story = a_story()
    last = story.current.last_event_at
    cause = Cause(id="cause", digest="digest")
    draft = Draft(
        story.current,
        case_id=story.current.case_id,
        cause=cause,
        now=last - timedelta(hours=1),
        actor=ANA,
    )
    assert draft.now == last


def test_every_event_moves_version_head_and_time() -> None:
    story = a_story()
    story.pass_time(minutes=5)
    after = evolve(story.current, an_event(story, e.CaseReleased, reason="released"))
    assert after.version == story.current.version + 1
    assert (after.last_event_id, after.last_event_at) == ("event", story.now)


def test_word_that_is_noted_twice_stands_once() -> None:
    story = a_story()
    noted = an_event(story, e.MentionNoted, mention_id="x:acme:7", revision="0", order=("a", "7"))
    once = evolve(story.current, noted)
    assert evolve(once, noted).noted == ("x:acme:7",)


def test_reply_in_doubt_that_is_not_in_flight_changes_nothing() -> None:
    story = a_story()
    unsettled = an_event(story, e.ReplyUnsettled, effect_id="reply:1", reason="lost")
    assert evolve(story.current, unsettled).reply is None


@pytest.mark.parametrize(
    ("facts", "sentiment", "urgency"),
    [
        ({}, Sentiment.NEUTRAL, Urgency.NORMAL),
        ({"sentiment": Sentiment.NEGATIVE}, Sentiment.NEGATIVE, Urgency.NORMAL),
        ({"urgency": Urgency.HIGH}, Sentiment.NEUTRAL, Urgency.HIGH),
    ],
)
def test_correction_changes_what_it_names(
    facts: dict[str, Any], sentiment: Sentiment, urgency: Urgency
) -> None:
    story = a_story()
    story.command(c.CorrectTriage, mention_id="x:acme:100", query=True, **facts)
    (found,) = story.current.obligations
    assert (found.sentiment, found.urgency) == (sentiment, urgency)
    assert found.priority is (Priority.P2 if urgency is Urgency.HIGH else Priority.P3)


def test_released_snooze_stays_a_snooze() -> None:
    story = a_story()
    story.command(c.ClaimCase)
    story.command(c.SnoozeCase, until=story.now + timedelta(hours=1))
    story.command(c.ReleaseCase)
    assert story.current.status is CaseStatus.SNOOZED
    assert story.current.claim is None


def test_reply_that_is_delivered_after_another_answer_answers_nothing_more() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    assert story.current.reply is not None
    effect = story.current.reply.effect_id
    mention = a_mention()
    story.brand_posts(an_own_post(mention, text="Answered elsewhere"), to=mention)
    story.outcome(effect, native_id="901")
    assert types(story.events)[-2:] == ["reply.delivered", "case.answered"]
    assert story.current.delivered == ("901",)


def test_actor_is_known_by_kind_and_id() -> None:
    assert is_same(ANA, ANA.model_copy(update={"name": "Anna"}))
    assert not is_same(ANA, BEN)
    assert not is_same(ANA, ANA.model_copy(update={"kind": c.ActorKind.BOT}))


def test_query_that_is_not_open_keeps_its_count_of_snoozes() -> None:
    story = a_story()
    story.hear(a_mention("101"))
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=("x:acme:100",))
    story.command(c.SnoozeCase, until=story.now + timedelta(hours=1))
    counted: dict[str, int] = {
        found.mention_id: found.snoozes
        for found in story.current.obligations
        if isinstance(found, Obligation)
    }
    assert counted == {"x:acme:100": 0, "x:acme:101": 1}


def report(story: Story, case_id: str) -> None:
    story.command(
        c.ReportUnreadable,
        actor=c.Actor(kind=c.ActorKind.EXECUTOR, id="connector"),
        case_id=case_id,
        reason="malformed",
        source="x/acme",
        position="5",
        hour=START,
    )


def test_operations_case_that_is_open_again_is_told_again() -> None:
    story = Story()
    case_id = operations_case("x/acme", "malformed", START, partitions=16)
    report(story, case_id)
    story.line = type(story.line)(case_id=case_id, episode=1)
    story.command(c.ResolveCase, disposition=c.Disposition.REPAIRED, covers=())
    assert next_due(story.current) is None
    story.pass_time(hours=3)
    report(story, case_id)
    assert story.current.is_live
    assert story.current.count == 2
    assert next_due(story.current) == story.now + story.policy.operations_review


def test_operations_case_is_escalated_without_a_ladder() -> None:
    story = Story()
    case_id = operations_case("x/acme", "malformed", START, partitions=16)
    report(story, case_id)
    story.line = type(story.line)(case_id=case_id, episode=1)
    story.command(c.EscalateCase)
    escalated = story.events[-1]
    assert isinstance(escalated, e.CaseEscalated)
    assert (escalated.notify, escalated.steps, escalated.repeat_every) == ("backup", (), None)
    assert story.current.ladder is None
    assert story.current.review_at == escalated.next_step_at


def test_operations_case_keeps_what_could_not_be_read() -> None:
    story = Story()
    case_id = operations_case("x/acme", "malformed", START, partitions=16)
    report(story, case_id)
    assert story.cases[case_id].subject == "x/acme: malformed"


@pytest.mark.parametrize(
    ("source", "trouble"),
    [
        ("x/acme", Trouble.UNREADABLE),
        (AUDITOR, Trouble.BROKEN),
        (f"{NIGHTLY} 2026-11-02", Trouble.BALANCE),
    ],
)
def test_operations_case_is_known_by_its_source(source: str, trouble: Trouble) -> None:
    case = evolve(None, an_operations_opening(source))
    assert trouble_of(case) is trouble


def an_operations_opening(source: str) -> e.CaseOpened:
    story = Story()
    story.command(
        c.ReportUnreadable,
        case_id=operations_case(source, "found", START, partitions=16),
        reason="found",
        source=source,
        position="1",
        hour=START,
    )
    opened = story.events[0]
    assert isinstance(opened, e.CaseOpened)
    return opened


def test_ladder_runs_on_while_another_query_is_open_and_stops_with_the_last() -> None:
    story = a_story()
    story.hear(a_mention("101"))
    for _ in range(4):
        story.next_step()
    ladder = story.current.ladder
    assert ladder is not None
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=("x:acme:100",))
    assert story.current.ladder == ladder
    last = a_mention("101")
    story.command(c.ReplyToCase, text="On it", covers=(last.mention_id,))
    story.brand_posts(an_own_post(last, text="Answered elsewhere"), to=last)
    assert story.current.ladder is None
    assert story.current.reply is not None, "its outcome is still to come, and the case is live"


def test_case_that_nobody_holds_is_new_until_its_card_stands() -> None:
    story = a_story()
    for wanted in (CaseStatus.NEW, CaseStatus.OPEN):
        story.command(c.ClaimCase)
        assert story.current.status is CaseStatus.CLAIMED
        story.command(c.ReleaseCase)
        assert story.current.status is wanted
        story.outcome(f"card:{story.current.case_id}", channel="C1", native_id="1.1")


def test_card_that_is_posted_while_somebody_holds_the_case_leaves_it_held() -> None:
    story = a_story()
    story.command(c.ClaimCase)
    story.outcome(f"card:{story.current.case_id}", channel="C1", native_id="1.1")
    assert story.current.status is CaseStatus.CLAIMED


def test_edit_of_a_settled_query_wakes_a_snoozed_case() -> None:
    story = a_story()
    story.hear(a_mention("101"))
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=("x:acme:100",))
    story.command(c.SnoozeCase, until=story.now + timedelta(hours=1))
    story.hear(an_edit(a_mention()))
    assert types(story.events)[-2:] == ["case.woken", "obligation.changed"]
    woken = story.events[-2]
    assert isinstance(woken, e.CaseWoken)
    assert woken.reason == "author_wrote"
    assert len(story.current.open_obligations) == 2
