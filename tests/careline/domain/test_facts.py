"""What each event says, to the last field: the log is the public contract and feeds a replay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from careline.domain.case import (
    Card,
    Case,
    CaseStatus,
    Claim,
    Ladder,
    Line,
    Obligation,
    ObligationStatus,
    ReplyInFlight,
    ReplyState,
)
from careline.domain.decide_mentions import text_digest
from careline.domain.effects import Cancel, Done, Intent, Refresh
from careline.domain.operations import operations_case
from careline.domain.policy import LadderStep, Policy
from schemas import commands as c
from schemas import events as e
from schemas.mentions import ConversationRef, Visibility
from schemas.triage import Priority, Sentiment, Urgency
from tests.support.stories import (
    ANA,
    BEN,
    START,
    Story,
    a_mention,
    a_triage,
    an_edit,
    an_own_post,
)

_HOUR = timedelta(hours=1)
MENTION = "x:acme:100"
STAMP = {"event_id", "case_id", "version", "cause_id", "cause_digest", "index", "at", "actor"}
AUTHOR = c.Actor(kind=c.ActorKind.AUTHOR, id="7")
BRAND = c.Actor(kind=c.ActorKind.BRAND, id="acme")


def a_story(policy: Policy | None = None) -> Story:
    story = Story(policy)
    story.hear(a_mention(), a_triage(sentiment=Sentiment.NEGATIVE))
    return story


def facts(event: e.CaseEvent) -> dict[str, Any]:
    return event.model_dump(exclude=STAMP)


def last(story: Story) -> dict[str, Any]:
    return facts(story.events[-1])


def order(story: Story) -> tuple[str, str]:
    return story.current.obligations[0].order


def reply_id(story: Story) -> str:
    assert story.current.reply is not None
    return story.current.reply.effect_id


# -- what is heard --------------------------------------------------------------------------------


def test_query_opens_a_case_with_an_obligation() -> None:
    story = a_story()
    opened, added = story.events
    assert facts(opened) == {
        "type": "case.opened",
        "kind": e.CaseKind.CARE,
        "conversation": ConversationRef(
            network="x", root="100", visibility=Visibility.PUBLIC
        ).model_dump(),
        "account": "acme",
        "author_id": "7",
        "line": a_mention().line,
        "episode": 1,
        "queue": "acme:public",
        "review_at": None,
        "subject": "",
    }
    said = facts(added)
    assert said.pop("because").startswith("first response 4 h for P3")
    assert said == {
        "type": "obligation.added",
        "mention_id": MENTION,
        "revision": "0",
        "order": a_mention().order,
        "priority": Priority.P3,
        "sentiment": Sentiment.NEGATIVE,
        "urgency": Urgency.NORMAL,
        "heard_at": START,
        "created_at": START,
        "at_risk_at": START + 3 * _HOUR,
        "due_at": START + 4 * _HOUR,
        "terms": None,
    }
    assert [(event.actor, event.index, event.version) for event in story.events] == [
        (AUTHOR, 0, 1),
        (AUTHOR, 1, 2),
    ]
    assert story.line == Line(case_id=story.current.case_id, episode=1)


def test_case_after_its_opening_holds_every_fact() -> None:
    story = a_story()
    case, event = story.current, story.events[-1]
    assert case == Case(
        case_id=case.case_id,
        kind=e.CaseKind.CARE,
        network="x",
        account="acme",
        root="100",
        visibility=Visibility.PUBLIC,
        author_id="7",
        line=a_mention().line,
        episode=1,
        queue="acme:public",
        opened_at=START,
        version=2,
        last_event_id=event.event_id,
        last_event_at=START,
        status=CaseStatus.NEW,
        obligations=(
            Obligation(
                mention_id=MENTION,
                revision="0",
                order=a_mention().order,
                priority=Priority.P3,
                sentiment=Sentiment.NEGATIVE,
                urgency=Urgency.NORMAL,
                heard_at=START,
                created_at=START,
                at_risk_at=START + 3 * _HOUR,
                due_at=START + 4 * _HOUR,
                because=case.obligations[0].because,
            ),
        ),
    )


def test_word_that_expects_nothing_is_noted() -> None:
    story = a_story()
    word = a_mention("101")
    story.hear(word, a_triage(query=False))
    assert last(story) == {
        "type": "mention.noted",
        "mention_id": "x:acme:101",
        "revision": "0",
        "order": word.order,
    }
    assert story.events[-1].actor == AUTHOR


def test_edit_says_what_the_query_is_now() -> None:
    story = a_story()
    edited = an_edit(a_mention(), heard_at=START + _HOUR)
    story.pass_time(hours=1)
    story.hear(edited, a_triage(urgency=Urgency.HIGH, sentiment=Sentiment.POSITIVE))
    said = last(story)
    said.pop("because")
    said.pop("terms")
    assert said == {
        "type": "obligation.changed",
        "mention_id": MENTION,
        "revision": "1",
        "priority": Priority.P2,
        "sentiment": Sentiment.POSITIVE,
        "urgency": Urgency.HIGH,
        "at_risk_at": START + timedelta(minutes=45),
        "due_at": START + _HOUR,
        "reopened": False,
    }
    (found,) = story.current.obligations
    assert (found.revision, found.priority, found.due_at) == ("1", Priority.P2, START + _HOUR)
    assert (found.sentiment, found.urgency) == (Sentiment.POSITIVE, Urgency.HIGH)
    assert found.at_risk_at == START + timedelta(minutes=45)


def test_delete_closes_the_query_and_the_case_in_its_authors_name() -> None:
    story = a_story()
    story.withdraw(a_mention())
    closed, resolved = story.events[-2:]
    assert facts(closed) == {
        "type": "obligations.closed",
        "covers": (MENTION,),
        "disposition": c.Disposition.WITHDRAWN_BY_AUTHOR,
    }
    assert facts(resolved) == {
        "type": "case.resolved",
        "disposition": c.Disposition.WITHDRAWN_BY_AUTHOR,
    }
    assert closed.actor == resolved.actor == AUTHOR
    (found,) = story.current.obligations
    assert (found.status, found.disposition, found.settled_at) == (
        ObligationStatus.CLOSED,
        c.Disposition.WITHDRAWN_BY_AUTHOR,
        START,
    )


def test_own_post_answers_in_the_brands_name() -> None:
    story = a_story()
    mention = a_mention()
    decision = story.brand_posts(an_own_post(mention), to=mention)
    answered, settled = story.events[-2:]
    assert facts(answered) == {
        "type": "obligations.answered",
        "covers": (MENTION,),
        "effect_id": "",
        "native_id": "900",
        "up_to": mention.order,
    }
    assert facts(settled) == {
        "type": "case.answered",
        "waiting_for_author": False,
        "follow_up_at": START + timedelta(hours=72),
    }
    assert answered.actor == settled.actor == BRAND
    case_id = story.current.case_id
    assert decision.line == Line(case_id=case_id, episode=1, answered_up_to=mention.order)
    assert story.current.own_posts == ("900",)
    assert story.current.answered_up_to == mention.order
    (found,) = story.current.obligations
    assert (found.status, found.disposition, found.settled_at) == (
        ObligationStatus.ANSWERED,
        None,
        START,
    )


def test_own_post_heard_before_its_mention_answers_it_in_the_brands_name() -> None:
    story = Story()
    story.hear(a_mention(), awaited="900")
    answered = story.events[2]
    assert facts(answered) == {
        "type": "obligations.answered",
        "covers": (MENTION,),
        "effect_id": "",
        "native_id": "900",
        "up_to": a_mention().order,
    }
    assert answered.actor == BRAND


def test_mention_that_a_later_own_post_covers_is_answered_without_naming_it_again() -> None:
    story = Story()
    late = a_mention("101", created_at=START + timedelta(minutes=1))
    story.hear(late)
    story.brand_posts(an_own_post(late), to=late)
    story.hear(a_mention("100"))
    answered = story.events[-2]
    assert facts(answered) == {
        "type": "obligations.answered",
        "covers": (MENTION,),
        "effect_id": "",
        "native_id": "",
        "up_to": None,
    }


def test_author_who_writes_again_reopens_the_case_by_name() -> None:
    story = Story()
    story.hear(a_mention(), awaited="900")
    story.hear(a_mention("101", created_at=START + _HOUR))
    reopened = story.events[-2]
    assert facts(reopened) == {
        "type": "case.reopened",
        "reason": "author_wrote",
        "review_at": None,
    }
    assert reopened.actor == AUTHOR
    assert story.current.status is CaseStatus.NEW
    assert story.current.follow_up_at is None


def test_edit_of_a_settled_query_reopens_its_case_as_edited() -> None:
    story = Story()
    story.hear(a_mention(), awaited="900")
    story.hear(an_edit(a_mention()))
    assert [event.type for event in story.events[-2:]] == ["case.reopened", "obligation.changed"]
    assert facts(story.events[-2])["reason"] == "edited"
    assert last(story)["reopened"] is True
    (found,) = story.current.obligations
    assert (found.status, found.warned, found.breached) == (ObligationStatus.OPEN, False, False)
    assert (found.disposition, found.settled_at) == (None, None)


# -- what is asked --------------------------------------------------------------------------------


def test_claim_says_fence_lease_and_reminder() -> None:
    story = a_story()
    story.command(c.ClaimCase, actor=BEN)
    assert last(story) == {
        "type": "case.claimed",
        "fence": 1,
        "lease_until": START + timedelta(minutes=30),
        "remind_at": START + timedelta(minutes=22.5),
    }
    assert story.events[-1].actor == BEN
    assert story.current.claim == Claim(
        holder=BEN,
        fence=1,
        since=START,
        lease_until=START + timedelta(minutes=30),
        remind_at=START + timedelta(minutes=22.5),
    )
    assert story.current.status is CaseStatus.CLAIMED


def test_release_says_that_it_was_asked_for() -> None:
    story = a_story()
    story.command(c.ClaimCase)
    story.command(c.ReleaseCase)
    assert last(story) == {"type": "case.released", "reason": "released"}
    assert story.current.status is CaseStatus.NEW


def test_reply_says_what_it_covers_and_until_when_it_may_be_sent() -> None:
    story = a_story()
    story.hear(a_mention("101", created_at=START + _HOUR))
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,), expects_answer=True)
    assert last(story) == {
        "type": "reply.requested",
        "effect_id": f"reply:{story.events[-1].event_id}",
        "covers": (MENTION,),
        "in_reply_to": "100",
        "text_sha256": text_digest("On it"),
        "not_after": START + _HOUR,
        "expects_answer": True,
        "fence": 1,
    }
    assert story.current.reply == ReplyInFlight(
        effect_id=reply_id(story),
        covers=(MENTION,),
        text_sha256=text_digest("On it"),
        requested_at=START,
        not_after=START + _HOUR,
        expects_answer=True,
        actor=ANA,
        state=ReplyState.REQUESTED,
        fence=1,
    )


def test_reply_replies_to_the_last_query_that_it_covers() -> None:
    story = a_story()
    story.hear(a_mention("101", created_at=START + _HOUR))
    story.hear(a_mention("102", created_at=START + 2 * _HOUR))
    story.command(c.ReplyToCase, text="On it", covers=(MENTION, "x:acme:101"))
    assert last(story)["in_reply_to"] == "101"


def test_word_to_an_answered_case_replies_to_its_last_query() -> None:
    story = a_story()
    story.hear(a_mention("101", created_at=START + _HOUR))
    story.brand_posts(
        an_own_post(a_mention("101", created_at=START + _HOUR)),
        to=a_mention("101", created_at=START + _HOUR),
    )
    story.command(c.ReplyToCase, text="One more thing", covers=())
    assert (last(story)["covers"], last(story)["in_reply_to"]) == ((), "101")


def test_reply_may_not_be_sent_after_its_commands_own_time() -> None:
    story = a_story()
    until = START + timedelta(minutes=10)
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,), not_after=until)
    assert last(story)["not_after"] == until
    other = a_story()
    other.command(c.ReplyToCase, text="On it", covers=(MENTION,), not_after=START + 9 * _HOUR)
    assert last(other)["not_after"] == START + _HOUR


def test_command_counts_until_the_very_end_of_its_time() -> None:
    story = a_story()
    story.command(c.ClaimCase, not_after=START)
    assert story.current.claim is not None


def test_escalation_says_who_is_told_and_who_is_next() -> None:
    story = a_story()
    story.command(c.EscalateCase, actor=BEN)
    frozen = [
        {"name": "backup group", "notify": "backup", "after": timedelta(0)},
        {"name": "manager", "notify": "manager", "after": timedelta(minutes=30)},
    ]
    assert last(story) == {
        "type": "case.escalated",
        "step": 0,
        "step_name": "backup group",
        "notify": "backup",
        "next_step": 1,
        "next_step_at": START + timedelta(minutes=30),
        "exhausted": False,
        "steps": tuple({**step, "clock": "", "quiet": ""} for step in frozen),
        "repeat_every": _HOUR,
    }
    assert story.events[-1].actor == BEN
    assert story.current.ladder == Ladder(
        next_step=1,
        next_step_at=START + timedelta(minutes=30),
        exhausted=False,
        steps=tuple(e.FrozenStep.model_validate(step) for step in frozen),
        repeat_every=_HOUR,
        run=story.current.version,
    )


def test_resolution_says_what_it_closes_and_why() -> None:
    story = a_story()
    story.command(c.ResolveCase, actor=BEN, disposition=c.Disposition.SPAM, covers=(MENTION,))
    closed, resolved = story.events[-2:]
    assert facts(closed) == {
        "type": "obligations.closed",
        "covers": (MENTION,),
        "disposition": c.Disposition.SPAM,
    }
    assert facts(resolved) == {"type": "case.resolved", "disposition": c.Disposition.SPAM}
    case = story.current
    assert (case.resolved_at, case.resolved_by, case.disposition) == (
        START,
        BEN,
        c.Disposition.SPAM,
    )
    assert (case.claim, case.ladder, case.snoozed_until, case.follow_up_at) == (None,) * 4


def test_case_without_an_open_query_is_resolved_by_its_reason_alone() -> None:
    story = Story()
    story.hear(a_mention(), awaited="900")
    story.command(c.ResolveCase, disposition=c.Disposition.ANSWERED, covers=())
    assert last(story) == {"type": "case.resolved", "disposition": c.Disposition.ANSWERED}
    assert story.current.follow_up_at is None


def test_reply_in_doubt_is_dropped_with_the_case_that_is_resolved() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,))
    effect = reply_id(story)
    story.outcome(effect, c.Outcome.UNSETTLED, reason="not found")
    story.command(c.ResolveCase, disposition=c.Disposition.DUPLICATE, covers=(MENTION,))
    dropped = facts(story.events[-2])
    assert (dropped["type"], dropped["effect_id"], dropped["reason"]) == (
        "reply.dropped",
        effect,
        "the case was resolved before anybody settled it",
    )
    assert story.current.reply is None


def test_correction_says_what_the_query_is_and_moves_its_deadline() -> None:
    story = a_story()
    story.command(
        c.CorrectTriage,
        mention_id=MENTION,
        query=True,
        sentiment=Sentiment.POSITIVE,
        urgency=Urgency.CRITICAL,
    )
    corrected, moved = story.events[-2:]
    assert facts(corrected) == {
        "type": "triage.corrected",
        "mention_id": MENTION,
        "query": True,
        "sentiment": Sentiment.POSITIVE,
        "urgency": Urgency.CRITICAL,
    }
    said = facts(moved)
    assert (said["type"], said["mention_id"], said["revision"]) == (
        "obligation.changed",
        MENTION,
        "0",
    )
    assert (said["priority"], said["sentiment"], said["urgency"], said["reopened"]) == (
        Priority.P1,
        Sentiment.POSITIVE,
        Urgency.CRITICAL,
        False,
    )
    assert said["due_at"] == START + timedelta(minutes=15)


def test_correction_that_leaves_the_priority_leaves_the_deadline() -> None:
    story = a_story()
    story.command(c.CorrectTriage, mention_id=MENTION, query=True, sentiment=Sentiment.POSITIVE)
    assert last(story)["type"] == "triage.corrected"


def test_query_that_was_closed_by_mistake_is_open_again_from_now() -> None:
    story = a_story()
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=(MENTION,))
    story.pass_time(hours=2)
    story.command(c.CorrectTriage, mention_id=MENTION, query=True)
    assert [event.type for event in story.events[-3:]] == [
        "triage.corrected",
        "case.reopened",
        "obligation.changed",
    ]
    assert facts(story.events[-2])["reason"] == "corrected"
    assert last(story)["due_at"] == story.now + 4 * _HOUR
    assert last(story)["sentiment"] is Sentiment.NEGATIVE
    case = story.current
    assert (case.disposition, case.resolved_at, case.resolved_by) == (None, None, None)


def test_query_of_a_live_case_that_was_closed_by_mistake_reopens_no_case() -> None:
    story = a_story()
    story.hear(a_mention("101"))
    story.command(c.CorrectTriage, mention_id=MENTION, query=False)
    assert facts(story.events[-1]) == {
        "type": "obligations.closed",
        "covers": (MENTION,),
        "disposition": c.Disposition.NOT_A_QUERY,
    }
    story.command(c.CorrectTriage, mention_id=MENTION, query=True)
    assert [event.type for event in story.events[-2:]] == [
        "triage.corrected",
        "obligation.changed",
    ]


def test_refusal_says_who_asked_for_what_and_who_holds_the_case_since_when() -> None:
    story = a_story()
    story.command(c.ClaimCase, actor=ANA)
    story.pass_time(minutes=5)
    decision = story.command(c.ClaimCase, actor=BEN)
    refusal = decision.refusal
    assert refusal is not None
    assert decision.events == ()
    assert decision.case == story.current
    assert refusal.model_dump(exclude={"event_id", "cause_digest"}) == {
        "type": "command.refused",
        "case_id": story.current.case_id,
        "cause_id": refusal.cause_id,
        "at": story.now,
        "actor": BEN.model_dump(),
        "command": "claim",
        "reason": e.Refusal.ALREADY_CLAIMED,
        "holder": ANA.model_dump(),
        "since": START,
    }


# -- what becomes of it ---------------------------------------------------------------------------


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


# -- what falls due -------------------------------------------------------------------------------


def test_warning_breach_and_step_say_all_that_is_known() -> None:
    step = LadderStep(name="page", notify="backup", after=timedelta(minutes=5))
    story = a_story(Policy(ladder=(step,), repeat_every=2 * _HOUR))
    for _ in range(3):
        story.next_step()
    warned, missed, escalated = story.events[-3:]
    assert facts(warned) == {
        "type": "case.at_risk",
        "mention_id": MENTION,
        "due_at": START + 4 * _HOUR,
        "target": e.TargetKind.FIRST_RESPONSE,
    }
    frozen = {"name": "page", "notify": "backup", "after": timedelta(minutes=5)}
    assert facts(missed) == {
        "type": "case.breached",
        "mention_id": MENTION,
        "due_at": START + 4 * _HOUR,
        "target": e.TargetKind.FIRST_RESPONSE,
        "next_step": 0,
        "next_step_at": START + 4 * _HOUR + timedelta(minutes=5),
        "steps": ({**frozen, "clock": "", "quiet": ""},),
        "repeat_every": 2 * _HOUR,
    }
    assert facts(escalated) == {
        "type": "case.escalated",
        "step": 0,
        "step_name": "page",
        "notify": "backup",
        "next_step": 0,
        "next_step_at": START + 6 * _HOUR + timedelta(minutes=5),
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
    story.command(c.SnoozeCase, until=START + _HOUR)
    assert last(story) == {
        "type": "case.snoozed",
        "until": START + _HOUR,
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
    story.command(c.SnoozeCase, until=story.now + _HOUR)
    story.command(c.ClaimCase)
    assert facts(story.events[-2])["reason"] == "agent_acted"
    story.command(c.SnoozeCase, until=story.now + _HOUR)
    story.hear(a_mention("101"))
    assert facts(story.events[-2])["reason"] == "author_wrote"
    assert story.current.snoozed_until is None


# -- effects --------------------------------------------------------------------------------------


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
            not_after=START + _HOUR,
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


# -- operations -----------------------------------------------------------------------------------


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
        "review_at": START + _HOUR,
        "subject": "x/acme: malformed",
    }
    assert facts(noted) == {"type": "operations.noted", "position": "5", "count": 1}
