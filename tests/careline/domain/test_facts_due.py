"""What an event says of outcomes and of what falls due, to the last field, with its effects."""

from __future__ import annotations

from datetime import timedelta

from careline.domain.case import (
    Card,
    CaseStatus,
)
from careline.domain.effects import Cancel, Done, Intent, Refresh
from careline.domain.operations import operations_case
from careline.domain.policy import LadderStep, Policy
from schemas import commands as c
from schemas import events as e
from schemas.mentions import Visibility
from tests.support.facts import (
    HOUR,
    MENTION,
    a_story,
    facts,
    last,
    reply_id,
)
from tests.support.stories import (
    BEN,
    START,
    Story,
    a_mention,
    an_edit,
)


def test_delivery_says_by_what_name_the_network_has_the_reply() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,), expects_answer=True)
    effect = reply_id(story)
    story.pass_time(minutes=1)
    story.outcome(effect, native_id="901")
    delivered, answered, waiting = story.events[-3:]
    assert facts(delivered) == {
        "type": "reply.delivered",
        "effect_id": effect,
        "native_id": "901",
        "lease_until": story.now + timedelta(minutes=30),
        "remind_at": story.now + timedelta(minutes=22.5),
    }
    assert facts(answered) == {
        "type": "obligations.answered",
        "covers": (MENTION,),
        "effect_id": effect,
        "native_id": "",
        "up_to": None,
    }
    assert facts(waiting) == {
        "type": "case.answered",
        "waiting_for_author": True,
        "follow_up_at": story.now + timedelta(hours=72),
    }
    assert (story.current.status, story.current.delivered) == (CaseStatus.WAITING, ("901",))
    assert story.current.claim is None


def test_reply_that_was_not_sent_says_why() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,))
    effect = reply_id(story)
    story.outcome(effect, c.Outcome.REFUSED)
    said = last(story)
    assert (said["type"], said["effect_id"], said["reason"]) == ("reply.dropped", effect, "refused")
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,))
    story.outcome(reply_id(story), c.Outcome.DROPPED, reason="its time had passed")
    assert last(story)["reason"] == "its time had passed"


def test_reply_in_doubt_says_why_and_a_person_settles_it() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,))
    effect = reply_id(story)
    story.outcome(effect, c.Outcome.UNSETTLED, reason="not found")
    said = last(story)
    assert (said["type"], said["effect_id"], said["reason"]) == (
        "reply.unsettled",
        effect,
        "not found",
    )
    story.command(c.SettleReply, effect_id=effect, sent=False)
    said = last(story)
    assert (said["effect_id"], said["reason"]) == (effect, "not sent, says a person")
    other = a_story()
    other.command(c.SettleReply, effect_id="reply:none", sent=True)
    assert other.refusals[-1].reason is e.Refusal.NO_REPLY_IN_FLIGHT
    other.command(c.ReplyToCase, text="On it", covers=(MENTION,))
    other.command(c.SettleReply, effect_id="reply:none", sent=True)
    assert other.refusals[-1].reason is e.Refusal.NO_REPLY_IN_FLIGHT


def test_settled_as_sent_it_has_no_name_on_the_network() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,))
    story.outcome(reply_id(story), c.Outcome.UNSETTLED)
    story.command(c.SettleReply, effect_id=reply_id(story), sent=True)
    assert facts(story.events[-3])["native_id"] == ""
    assert story.current.delivered == ()


def test_card_and_alert_say_where_they_stand() -> None:
    story = a_story()
    card = f"card:{story.current.case_id}"
    decision_before = len(story.effects)
    story.outcome(card, channel="C1", native_id="1.1", shown_version=1)
    assert last(story) == {
        "type": "card.posted",
        "effect_id": card,
        "channel": "C1",
        "ts": "1.1",
        "shown_version": 1,
    }
    assert story.current.card == Card(channel="C1", ts="1.1", shown_version=1)
    assert story.current.status is CaseStatus.OPEN
    case = story.current
    assert story.effects[decision_before:] == [
        Done(effect_id=card, executor="slack"),
        Refresh(case_id=case.case_id, version=case.version),
    ]
    story.outcome("alert:1", channel="C1", native_id="1.2")
    assert last(story) == {
        "type": "alert.posted",
        "effect_id": "alert:1",
        "channel": "C1",
        "ts": "1.2",
    }


def test_effect_that_failed_says_how_and_why() -> None:
    story = a_story()
    story.outcome("alert:1", c.Outcome.REFUSED, reason="is_archived")
    assert last(story) == {
        "type": "effect.failed",
        "effect_id": "alert:1",
        "reason": "refused: is_archived",
    }
    story.outcome("alert:2", c.Outcome.BLOCKED)
    assert last(story)["reason"] == "blocked"


def test_outcome_of_a_reply_that_is_not_in_flight_is_refused() -> None:
    story = a_story()
    story.outcome("reply:none", native_id="9")
    assert story.refusals[-1].reason is e.Refusal.ALREADY_SETTLED
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,))
    story.outcome("reply:none", native_id="9")
    assert story.refusals[-1].command == "record_outcome"
    assert story.current.reply is not None


def test_warning_breach_and_step_say_all_that_is_known() -> None:
    step = LadderStep(name="page", notify="backup", after=timedelta(minutes=5))
    story = a_story(Policy(ladder=(step,), repeat_every=2 * HOUR))
    for _ in range(3):
        story.next_step()
    warned, missed, escalated = story.events[-3:]
    assert facts(warned) == {
        "type": "case.at_risk",
        "mention_id": MENTION,
        "due_at": START + 4 * HOUR,
        "target": e.TargetKind.FIRST_RESPONSE,
    }
    frozen = {"name": "page", "notify": "backup", "after": timedelta(minutes=5)}
    assert facts(missed) == {
        "type": "case.breached",
        "mention_id": MENTION,
        "due_at": START + 4 * HOUR,
        "target": e.TargetKind.FIRST_RESPONSE,
        "next_step": 0,
        "next_step_at": START + 4 * HOUR + timedelta(minutes=5),
        "steps": ({**frozen, "clock": "", "quiet": ""},),
        "repeat_every": 2 * HOUR,
    }
    assert facts(escalated) == {
        "type": "case.escalated",
        "step": 0,
        "step_name": "page",
        "notify": "backup",
        "next_step": 0,
        "next_step_at": START + 6 * HOUR + timedelta(minutes=5),
        "exhausted": True,
        "steps": (),
        "repeat_every": None,
    }
    assert {event.actor for event in story.events[-3:]} == {c.POLICY}


def test_second_breach_repeats_no_steps() -> None:
    story = a_story()
    story.hear(a_mention("101"))
    for _ in range(4):
        story.next_step()
    said = last(story)
    assert (said["type"], said["mention_id"]) == ("case.breached", "x:acme:101")
    assert (said["steps"], said["repeat_every"]) == ((), None)


def test_case_resolves_as_answered_in_the_policys_name() -> None:
    story = Story()
    story.hear(a_mention(), awaited="900")
    story.next_step()
    assert last(story) == {"type": "case.resolved", "disposition": c.Disposition.ANSWERED}
    assert story.current.resolved_by == c.POLICY


def test_reply_that_nobody_reports_on_is_in_doubt() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,))
    effect = reply_id(story)
    while story.events[-1].type != "reply.unsettled":
        story.next_step()
    said = last(story)
    assert (said["effect_id"], said["reason"]) == (effect, "nobody reported an outcome")


def test_snooze_and_wake_say_until_when_and_why() -> None:
    story = a_story()
    story.command(c.ClaimCase)
    story.command(c.SnoozeCase, until=START + HOUR)
    assert last(story) == {
        "type": "case.snoozed",
        "until": START + HOUR,
        "next_step_at": None,
    }
    story.next_step()
    assert last(story) == {
        "type": "case.woken",
        "reason": "time",
        "lease_until": START + timedelta(minutes=90),
        "remind_at": START + timedelta(minutes=82.5),
        "next_step_at": None,
    }
    story.command(c.SnoozeCase, until=story.now + HOUR)
    story.command(c.ClaimCase)
    assert facts(story.events[-2])["reason"] == "agent_acted"
    story.command(c.SnoozeCase, until=story.now + HOUR)
    story.hear(a_mention("101"))
    assert facts(story.events[-2])["reason"] == "author_wrote"
    assert story.current.snoozed_until is None


def test_reply_is_an_effect_of_the_brand_account_with_all_that_its_sender_needs() -> None:
    story = a_story()
    decision = story.command(c.ReplyToCase, text="On it", covers=(MENTION,))
    requested = decision.events[-1]
    assert [found for found in decision.effects if isinstance(found, Intent)] == [
        Intent(
            effect_id=f"reply:{requested.event_id}",
            executor="x:acme",
            kind="reply",
            case_id=story.current.case_id,
            event_id=requested.event_id,
            not_after=START + HOUR,
            subject="100",
            fence=1,
        )
    ]
    direct = Story()
    direct.hear(a_mention(visibility=Visibility.DIRECT))
    decision = direct.command(c.ReplyToCase, text="On it", covers=direct.open_ids())
    assert [found.kind for found in decision.effects if isinstance(found, Intent)] == [
        "direct_message"
    ]


def test_reply_whose_query_was_closed_or_edited_is_cancelled_and_says_why() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,))
    cancel = Cancel(effect_id=reply_id(story), executor="x:acme", reason="")
    decision = story.hear(an_edit(a_mention()))
    reasons = [found.reason for found in decision.effects if isinstance(found, Cancel)]
    assert reasons == ["the customer changed the text"]
    decision = story.withdraw(a_mention())
    cancels = [found for found in decision.effects if isinstance(found, Cancel)]
    assert [found.reason for found in cancels] == ["closed meanwhile: withdrawn_by_author"]
    assert cancels[0].effect_id == cancel.effect_id
    assert cancels[0].executor == cancel.executor


def test_operations_case_says_what_could_not_be_read() -> None:
    story = Story()
    case_id = operations_case("x/acme", "malformed", START, partitions=16)
    story.command(
        c.ReportUnreadable,
        actor=BEN,
        case_id=case_id,
        reason="malformed",
        source="x/acme",
        position="5",
        hour=START + timedelta(minutes=59),
    )
    opened, noted = story.events
    said = facts(opened)
    assert said.pop("line")
    assert said == {
        "type": "case.opened",
        "kind": e.CaseKind.OPERATIONS,
        "conversation": {
            "network": "ops",
            "root": "x/acme:malformed:2026-11-02T09",
            "visibility": Visibility.PUBLIC,
        },
        "account": "careline",
        "author_id": "ops",
        "episode": 1,
        "queue": "ops",
        "review_at": START + HOUR,
        "subject": "x/acme: malformed",
    }
    assert facts(noted) == {"type": "operations.noted", "position": "5", "count": 1}
