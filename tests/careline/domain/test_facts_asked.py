"""What an event says when something was asked for, to the last field, refusals too."""

from __future__ import annotations

from datetime import timedelta

from careline.domain.case import (
    CaseStatus,
    Claim,
    Ladder,
    ReplyInFlight,
    ReplyState,
)
from careline.domain.decide_mentions import text_digest
from schemas import commands as c
from schemas import events as e
from schemas.triage import Priority, Sentiment, Urgency
from tests.support.facts import (
    HOUR,
    MENTION,
    a_story,
    facts,
    last,
    reply_id,
)
from tests.support.stories import (
    ANA,
    BEN,
    START,
    Story,
    a_mention,
    an_own_post,
)


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
    story.hear(a_mention("101", created_at=START + HOUR))
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,), expects_answer=True)
    assert last(story) == {
        "type": "reply.requested",
        "effect_id": f"reply:{story.events[-1].event_id}",
        "covers": (MENTION,),
        "in_reply_to": "100",
        "text_sha256": text_digest("On it"),
        "not_after": START + HOUR,
        "expects_answer": True,
        "fence": 1,
    }
    assert story.current.reply == ReplyInFlight(
        effect_id=reply_id(story),
        covers=(MENTION,),
        text_sha256=text_digest("On it"),
        requested_at=START,
        not_after=START + HOUR,
        expects_answer=True,
        actor=ANA,
        state=ReplyState.REQUESTED,
        fence=1,
    )


def test_reply_replies_to_the_last_query_that_it_covers() -> None:
    story = a_story()
    story.hear(a_mention("101", created_at=START + HOUR))
    story.hear(a_mention("102", created_at=START + 2 * HOUR))
    story.command(c.ReplyToCase, text="On it", covers=(MENTION, "x:acme:101"))
    assert last(story)["in_reply_to"] == "101"


def test_word_to_an_answered_case_replies_to_its_last_query() -> None:
    story = a_story()
    story.hear(a_mention("101", created_at=START + HOUR))
    story.brand_posts(
        an_own_post(a_mention("101", created_at=START + HOUR)),
        to=a_mention("101", created_at=START + HOUR),
    )
    story.command(c.ReplyToCase, text="One more thing", covers=())
    assert (last(story)["covers"], last(story)["in_reply_to"]) == ((), "101")


def test_reply_may_not_be_sent_after_its_commands_own_time() -> None:
    story = a_story()
    until = START + timedelta(minutes=10)
    story.command(c.ReplyToCase, text="On it", covers=(MENTION,), not_after=until)
    assert last(story)["not_after"] == until
    other = a_story()
    other.command(c.ReplyToCase, text="On it", covers=(MENTION,), not_after=START + 9 * HOUR)
    assert last(other)["not_after"] == START + HOUR


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
        "repeat_every": HOUR,
    }
    assert story.events[-1].actor == BEN
    assert story.current.ladder == Ladder(
        next_step=1,
        next_step_at=START + timedelta(minutes=30),
        exhausted=False,
        steps=tuple(e.FrozenStep.model_validate(step) for step in frozen),
        repeat_every=HOUR,
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
    assert last(story)["due_at"] == story.now + 4 * HOUR
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
