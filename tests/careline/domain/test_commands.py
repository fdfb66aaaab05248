"""What follows from commands: claims, replies, snoozes, corrections, outcomes, refusals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from careline.domain.case import CaseStatus, ReplyState
from careline.domain.effects import Done, Intent, Refresh
from careline.domain.operations import operations_case, operations_shard
from schemas import commands as c
from schemas import events as e
from schemas.identity import shard_of_case
from schemas.triage import Priority, Urgency
from tests.support.stories import ANA, BEN, START, Story, a_mention, types


def a_story(*, card: bool = True) -> Story:
    story = Story()
    story.hear(a_mention())
    if card:
        story.outcome(
            f"card:{story.current.case_id}", channel="C1", native_id="1.1", shown_version=2
        )
    return story


def reply_id(story: Story) -> str:
    assert story.current.reply is not None
    return story.current.reply.effect_id


def test_first_claim_wins_and_the_loser_learns_who_holds_it() -> None:
    story = a_story()
    story.command(c.ClaimCase, actor=ANA)
    story.command(c.ClaimCase, actor=BEN)
    assert story.current.claim is not None
    assert story.current.claim.holder == ANA
    refusal = story.refusals[-1]
    assert refusal.reason is e.Refusal.ALREADY_CLAIMED
    assert refusal.holder == ANA
    assert refusal.actor == BEN


def test_claim_again_renews_the_lease_under_a_new_fence() -> None:
    story = a_story()
    story.command(c.ClaimCase)
    story.pass_time(minutes=20)
    story.command(c.ClaimCase)
    assert story.current.claim is not None
    assert story.current.claim.fence == 2
    assert story.current.claim.lease_until == story.now + story.policy.lease


def test_released_case_can_be_claimed_by_another() -> None:
    story = a_story()
    story.command(c.ClaimCase, actor=ANA)
    story.command(c.ReleaseCase, actor=ANA)
    assert story.current.status is CaseStatus.OPEN
    story.command(c.ClaimCase, actor=BEN)
    assert story.current.status is CaseStatus.CLAIMED


def test_release_of_what_nobody_holds_is_refused() -> None:
    story = a_story()
    story.command(c.ReleaseCase)
    assert story.refusals[-1].reason is e.Refusal.NOT_CLAIMED


def test_reply_goes_out_and_answers_what_it_covers_once_delivered() -> None:
    story = a_story()
    decision = story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    intents = [effect for effect in decision.effects if isinstance(effect, Intent)]
    assert [(found.executor, found.kind, found.subject) for found in intents] == [
        ("x:acme", "reply", "100")
    ]
    assert story.current.open_obligations, "a requested reply answers nothing yet"
    story.outcome(reply_id(story), native_id="900")
    assert story.current.status is CaseStatus.ANSWERED
    assert Done(effect_id=intents[0].effect_id, executor="x:acme") in story.effects


def test_reply_that_asks_something_back_waits_for_the_author() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="Which one?", covers=story.open_ids(), expects_answer=True)
    story.outcome(reply_id(story), native_id="900")
    assert story.current.status is CaseStatus.WAITING
    assert story.current.follow_up_at is not None


def test_second_reply_in_flight_is_refused() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.command(c.ReplyToCase, text="Really", covers=story.open_ids())
    assert story.refusals[-1].reason is e.Refusal.REPLY_IN_FLIGHT


def test_query_that_arrives_while_a_reply_is_in_flight_stays_open() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.hear(a_mention("101"))
    story.outcome(reply_id(story), native_id="900")
    assert story.open_ids() == ("x:acme:101",)
    assert story.current.status is CaseStatus.CLAIMED


@pytest.mark.parametrize("outcome", [c.Outcome.REFUSED, c.Outcome.DROPPED, c.Outcome.BLOCKED])
def test_reply_that_was_not_sent_leaves_its_queries_open(outcome: c.Outcome) -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.outcome(reply_id(story), outcome, reason="target gone")
    assert story.current.reply is None
    assert len(story.current.open_obligations) == 1


@pytest.mark.parametrize(("sent", "open_queries"), [(True, 0), (False, 1)])
def test_reply_in_doubt_is_settled_by_a_person(*, sent: bool, open_queries: int) -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    effect = reply_id(story)
    story.command(c.SettleReply, effect_id=effect, sent=sent)
    assert story.refusals[-1].reason is e.Refusal.REPLY_IN_FLIGHT
    story.outcome(effect, c.Outcome.UNSETTLED, reason="not found within 15 min")
    assert story.current.reply is not None
    assert story.current.reply.state is ReplyState.UNSETTLED
    story.command(c.SettleReply, effect_id=effect, sent=sent)
    assert story.current.reply is None
    assert len(story.current.open_obligations) == open_queries


def test_second_outcome_of_a_reply_changes_nothing() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    effect = reply_id(story)
    story.outcome(effect, native_id="900")
    before = story.current
    story.outcome(effect, native_id="901")
    assert story.current == before
    assert story.refusals[-1].reason is e.Refusal.ALREADY_SETTLED


def test_reply_on_a_stale_card_covers_nothing() -> None:
    story = a_story()
    story.hear(a_mention("101"))
    story.command(c.ReplyToCase, text="On it", covers=("x:acme:555",))
    assert story.refusals[-1].reason is e.Refusal.NOTHING_COVERED


def test_command_after_its_time_is_refused() -> None:
    story = a_story()
    story.command(c.ClaimCase, not_after=START - timedelta(seconds=1))
    assert story.refusals[-1].reason is e.Refusal.TOO_LATE


def test_empty_reply_is_refused() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="  ", covers=story.open_ids())
    assert story.refusals[-1].reason is e.Refusal.EMPTY_REPLY


def test_resolve_closes_what_the_card_showed_and_nothing_else() -> None:
    story = a_story()
    shown = story.open_ids()
    story.hear(a_mention("101"))
    story.command(c.ResolveCase, disposition=c.Disposition.NO_ANSWER_NEEDED, covers=shown)
    assert story.open_ids() == ("x:acme:101",)
    assert story.current.is_live
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=story.open_ids())
    assert story.current.status is CaseStatus.RESOLVED
    assert story.current.resolved_by == ANA


def test_resolve_of_a_case_with_a_reply_in_flight_is_refused() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=story.open_ids())
    assert story.refusals[-1].reason is e.Refusal.REPLY_IN_FLIGHT


def test_snooze_is_capped_and_hides_nothing_from_the_clock() -> None:
    story = a_story()
    story.command(c.SnoozeCase, until=START + timedelta(days=30))
    assert story.current.snoozed_until == START + story.policy.snooze_at_most
    story.next_step()
    story.next_step()
    assert types(story.events)[-2:] == ["case.at_risk", "case.breached"]


def test_snooze_into_the_past_is_refused() -> None:
    story = a_story()
    story.command(c.SnoozeCase, until=START)
    assert story.refusals[-1].reason is e.Refusal.NOT_IN_FUTURE


def test_escalate_tells_the_next_step_of_the_ladder() -> None:
    story = a_story()
    decision = story.command(c.EscalateCase)
    assert [effect.notify for effect in decision.effects if isinstance(effect, Intent)] == [
        "backup"
    ]
    assert story.current.ladder is not None
    assert story.current.ladder.next_step == 1


def test_correction_to_not_a_query_closes_it_and_back_reopens_it() -> None:
    story = a_story()
    mention = story.open_ids()[0]
    story.command(c.CorrectTriage, mention_id=mention, query=False)
    assert story.current.disposition is c.Disposition.NOT_A_QUERY
    story.command(c.CorrectTriage, mention_id=mention, query=True, urgency=Urgency.CRITICAL)
    assert story.current.open_obligations[0].priority is Priority.P1
    assert story.current.is_live


def test_correction_of_an_unknown_mention_is_refused() -> None:
    story = a_story()
    story.command(c.CorrectTriage, mention_id="x:acme:404", query=True)
    assert story.refusals[-1].reason is e.Refusal.UNKNOWN_MENTION


def test_second_card_of_a_case_is_not_adopted() -> None:
    story = a_story()
    story.outcome(f"card:{story.current.case_id}", channel="C1", native_id="2.2")
    assert story.current.card is not None
    assert story.current.card.ts == "1.1"


def test_failed_card_leaves_the_case_live() -> None:
    story = a_story(card=False)
    story.outcome(f"card:{story.current.case_id}", c.Outcome.REFUSED, reason="is_archived")
    assert story.current.is_live
    assert types(story.events)[-1] == "effect.failed"


def test_card_that_shows_the_current_state_needs_no_refresh() -> None:
    story = Story()
    story.hear(a_mention())
    version = story.current.version
    card = f"card:{story.current.case_id}"
    story.outcome(card, channel="C1", native_id="1.1", shown_version=version)
    assert not [found for found in story.effects if isinstance(found, Refresh)]
    story.command(c.ClaimCase)
    assert [found.version for found in story.effects if isinstance(found, Refresh)] == [
        story.current.version
    ]


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        (c.ClaimCase, {}),
        (c.ReplyToCase, {"text": "On it", "covers": ()}),
        (c.SnoozeCase, {"until": START + timedelta(hours=1)}),
        (c.EscalateCase, {}),
        (c.ResolveCase, {"disposition": c.Disposition.SPAM, "covers": ()}),
    ],
)
def test_resolved_case_refuses_every_action(kind: type[Any], facts: dict[str, Any]) -> None:
    story = a_story()
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=story.open_ids())
    story.command(kind, **facts)
    assert story.refusals[-1].reason is e.Refusal.ALREADY_RESOLVED


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        (c.ReleaseCase, {}),
        (c.ReplyToCase, {"text": "On it", "covers": ("x:acme:100",)}),
        (c.SnoozeCase, {"until": START + timedelta(hours=1)}),
        (c.ResolveCase, {"disposition": c.Disposition.SPAM, "covers": ("x:acme:100",)}),
    ],
)
def test_case_held_by_another_refuses_what_only_the_holder_may_do(
    kind: type[Any], facts: dict[str, Any]
) -> None:
    story = a_story()
    story.command(c.ClaimCase, actor=ANA)
    story.command(kind, actor=BEN, **facts)
    assert story.refusals[-1].reason is e.Refusal.ALREADY_CLAIMED


def test_command_on_a_case_that_does_not_exist_says_so() -> None:
    story = Story()
    story.command(c.ClaimCase)
    assert story.refusals[-1].reason is e.Refusal.NO_SUCH_CASE


def test_unreadable_records_of_an_hour_are_one_operations_case_with_a_count() -> None:
    story = Story()
    case_id = operations_case("mentions.received.v1", "not_json", START, partitions=16)
    executor = c.Actor(kind=c.ActorKind.EXECUTOR, id="triage")
    for offset in range(3):
        story.command(
            c.ReportUnreadable,
            actor=executor,
            case_id=case_id,
            reason="not_json",
            source="mentions.received.v1",
            position=f"3:{offset}",
            hour=START,
        )
    case = story.cases[case_id]
    assert case.count == 3
    assert case.queue == "ops"
    assert case.review_at == START + story.policy.operations_review
    assert shard_of_case(case_id) == operations_shard(
        "mentions.received.v1", "not_json", START + timedelta(minutes=59), partitions=16
    )
