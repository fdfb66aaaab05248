"""A claim is a lease with a fence: reminder, grace, back to the queue; who is stale sends none."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from careline.domain.case import CaseStatus, Claim, ReplyState
from careline.domain.effects import SLACK, Cancel, Intent
from careline.domain.evolve import evolve
from careline.domain.policy import Policy
from careline.domain.steps import StepKind, next_due, pending_steps
from schemas import commands as c
from schemas import events as e
from tests.support.stories import ANA, BEN, START, Story, a_mention, types

LEASE = timedelta(minutes=40)
REMINDED = timedelta(minutes=30)
OPERATOR = c.Actor(kind=c.ActorKind.OPERATOR, id="O1")


def a_claim(**rules: object) -> Story:
    story = Story(Policy(lease=LEASE, **rules))  # type: ignore[arg-type]
    story.hear(a_mention())
    story.command(c.ClaimCase, actor=ANA)
    return story


def claim_of(story: Story) -> Claim:
    assert story.current.claim is not None
    return story.current.claim


def reply_id(story: Story) -> str:
    assert story.current.reply is not None
    return story.current.reply.effect_id


def lease_steps(story: Story) -> list[StepKind]:
    kinds = (StepKind.REMINDER, StepKind.LEASE)
    return [step.kind for step in pending_steps(story.current) if step.kind in kinds]


def runs_again_from(story: Story, at: datetime) -> bool:
    claim = claim_of(story)
    return (claim.remind_at, claim.lease_until) == (at + REMINDED, at + LEASE)


# -- no reply in time -----------------------------------------------------------------------------


def test_holder_who_does_not_reply_is_reminded_and_then_the_case_is_back_in_its_queue() -> None:
    story = a_claim()
    decision = story.next_step()
    assert story.now == START + REMINDED
    (reminded,) = decision.events
    assert isinstance(reminded, e.CaseReminded)
    assert (reminded.fence, reminded.lease_until) == (1, START + LEASE)
    alerts = [effect for effect in decision.effects if isinstance(effect, Intent)]
    assert [(found.executor, found.kind, found.subject, found.notify) for found in alerts] == [
        (SLACK, "alert", "reminder", "holder")
    ]
    assert story.current.status is CaseStatus.CLAIMED
    (released,) = story.next_step().events
    assert story.now == START + LEASE
    assert isinstance(released, e.CaseReleased)
    assert released.reason == "lease_expired"
    assert story.current.claim is None
    assert story.current.open_obligations


def test_holder_is_reminded_once() -> None:
    story = a_claim()
    story.next_step()
    assert claim_of(story).remind_at is None
    assert lease_steps(story) == [StepKind.LEASE]


def test_reminder_that_comes_late_leaves_the_same_grace() -> None:
    story = a_claim()
    story.pass_time(hours=2)
    assert types(story.fire().events) == ["case.reminded"]
    assert claim_of(story).lease_until == story.now + (LEASE - REMINDED)
    assert story.fire().events == ()


def test_share_of_the_lease_after_which_the_holder_is_reminded_is_the_policys() -> None:
    story = a_claim(reminder_share=0.25)
    assert claim_of(story).remind_at == START + timedelta(minutes=10)
    assert claim_of(story).lease_until == START + LEASE


def test_claim_from_before_reminders_expires_at_its_time() -> None:
    story = a_claim()
    claimed = story.events[-1]
    assert isinstance(claimed, e.CaseClaimed)
    old = claimed.model_copy(update={"remind_at": None, "version": claimed.version + 1})
    case = evolve(story.current, old)
    assert next_due(case) == START + LEASE


def test_reminder_of_a_claim_that_is_gone_changes_nothing() -> None:
    story = a_claim()
    story.next_step()
    reminded = story.events[-1]
    story.next_step()
    late = reminded.model_copy(update={"version": story.current.version + 1})
    assert evolve(story.current, late).claim is None


# -- while a reply is on its way ------------------------------------------------------------------


def test_lease_stands_still_while_a_reply_is_queued_or_unknown() -> None:
    story = a_claim()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    assert lease_steps(story) == []
    story.pass_time(minutes=50)
    while story.fire().events:
        pass
    assert claim_of(story).holder == ANA


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (c.Outcome.UNSETTLED, ReplyState.UNSETTLED),
        (c.Outcome.DROPPED, None),
        (c.Outcome.REFUSED, None),
    ],
)
def test_lease_runs_again_once_a_reply_is_unsettled_or_not_sent(
    outcome: c.Outcome, state: ReplyState | None
) -> None:
    story = a_claim()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.pass_time(minutes=45)
    story.outcome(reply_id(story), outcome)
    assert (story.current.reply.state if story.current.reply else None) is state
    assert lease_steps(story) == [StepKind.REMINDER, StepKind.LEASE]
    assert runs_again_from(story, story.now)


def test_lease_runs_again_once_nobody_reported_an_outcome() -> None:
    story = a_claim()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    while not isinstance(story.events[-1], e.ReplyUnsettled):
        story.next_step()
    assert runs_again_from(story, story.now)


def test_lease_runs_again_after_a_reply_that_left_a_query_open() -> None:
    story = a_claim()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.hear(a_mention("101"))
    story.pass_time(minutes=35)
    story.outcome(reply_id(story), native_id="900")
    assert runs_again_from(story, story.now)


def test_lease_runs_again_once_a_person_says_that_a_reply_was_not_sent() -> None:
    story = a_claim()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.outcome(reply_id(story), c.Outcome.UNSETTLED)
    story.pass_time(minutes=20)
    story.command(c.SettleReply, effect_id=reply_id(story), sent=False)
    assert story.current.reply is None
    assert runs_again_from(story, story.now)


def test_outcome_of_a_reply_gives_no_lease_where_nobody_holds_the_case() -> None:
    story = a_claim()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.command(c.ReleaseCase, actor=ANA)
    story.outcome(reply_id(story), c.Outcome.DROPPED)
    dropped = story.events[-1]
    assert isinstance(dropped, e.ReplyDropped)
    assert dropped.lease_until is None
    assert story.current.claim is None


def test_case_whose_last_query_was_withdrawn_ends_once_its_reply_was_not_sent() -> None:
    story = a_claim()
    mention = a_mention()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.outcome(reply_id(story), c.Outcome.UNSETTLED)
    story.withdraw(mention)
    assert story.current.is_live
    story.command(c.SettleReply, effect_id=reply_id(story), sent=False)
    assert story.current.status is CaseStatus.RESOLVED
    assert story.current.disposition is c.Disposition.WITHDRAWN_BY_AUTHOR


# -- the fence ------------------------------------------------------------------------------------


def test_fence_counts_the_claims_of_a_case() -> None:
    story = a_claim()
    for fence in (1, 2, 3):
        assert claim_of(story).fence == fence == story.current.claims
        story.command(c.ReleaseCase)
        story.command(c.ClaimCase)


def test_reply_carries_the_fence_of_its_claim() -> None:
    story = a_claim()
    story.command(c.ReleaseCase)
    decision = story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    assert claim_of(story).fence == 2
    assert story.current.reply is not None
    assert story.current.reply.fence == 2
    (intent,) = [effect for effect in decision.effects if isinstance(effect, Intent)]
    assert intent.fence == 2


def test_stale_holders_reply_is_refused_and_names_the_holder() -> None:
    story = a_claim()
    story.next_step()
    story.next_step()
    story.command(c.ClaimCase, actor=BEN)
    story.command(c.ReplyToCase, actor=ANA, text="late", covers=story.open_ids(), fence=1)
    refusal = story.refusals[-1]
    assert (refusal.reason, refusal.holder) == (e.Refusal.ALREADY_CLAIMED, BEN)
    assert story.current.reply is None


def test_reply_under_an_older_fence_is_refused_although_nobody_holds_the_case_any_more() -> None:
    story = a_claim()
    story.command(c.ReleaseCase, actor=ANA)
    story.command(c.ClaimCase, actor=BEN)
    story.command(c.ReleaseCase, actor=BEN)
    story.command(c.ReplyToCase, actor=ANA, text="late", covers=story.open_ids(), fence=1)
    assert story.refusals[-1].reason is e.Refusal.STALE_CLAIM
    assert story.refusals[-1].holder is None
    assert story.current.reply is None


def test_operators_reply_under_an_older_fence_is_refused_and_names_the_holder() -> None:
    story = a_claim()
    story.command(c.ReleaseCase, actor=ANA)
    story.command(c.ClaimCase, actor=BEN)
    story.command(c.ReplyToCase, actor=OPERATOR, text="late", covers=story.open_ids(), fence=1)
    refusal = story.refusals[-1]
    assert (refusal.reason, refusal.holder) == (e.Refusal.STALE_CLAIM, BEN)


def test_reply_after_the_end_of_the_lease_is_taken_if_nobody_held_the_case_since() -> None:
    story = a_claim()
    story.next_step()
    story.next_step()
    assert story.current.claim is None
    story.command(c.ReplyToCase, actor=ANA, text="here", covers=story.open_ids(), fence=1)
    assert story.current.reply is not None
    assert claim_of(story).fence == 2


def test_reply_of_one_who_let_the_case_go_is_cancelled_once_another_claims_it() -> None:
    story = a_claim()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    effect = reply_id(story)
    story.command(c.ReleaseCase, actor=ANA)
    assert not [found for found in story.effects if isinstance(found, Cancel)]
    decision = story.command(c.ClaimCase, actor=BEN)
    assert [found for found in decision.effects if isinstance(found, Cancel)] == [
        Cancel(effect_id=effect, executor="x:acme", reason="Ben holds the case now")
    ]
    story.outcome(effect, c.Outcome.DROPPED, reason="Ben holds the case now")
    assert story.current.reply is None
    assert claim_of(story).holder == BEN
    assert story.current.open_obligations


def test_claimant_without_a_name_is_named_by_id() -> None:
    story = a_claim()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.command(c.ReleaseCase, actor=ANA)
    bot = c.Actor(kind=c.ActorKind.BOT, id="b7")
    decision = story.command(c.ClaimCase, actor=bot)
    assert [found.reason for found in decision.effects if isinstance(found, Cancel)] == [
        "b7 holds the case now"
    ]


def test_own_reply_in_flight_goes_on_when_its_writer_claims_again() -> None:
    story = a_claim()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.command(c.ClaimCase, actor=ANA)
    story.command(c.ReleaseCase, actor=ANA)
    story.command(c.ClaimCase, actor=ANA)
    assert not [found for found in story.effects if isinstance(found, Cancel)]
    assert story.current.reply is not None
    assert story.current.reply.fence == claim_of(story).fence == 3


def test_operators_reply_goes_on_when_the_holder_claims_again() -> None:
    story = a_claim()
    story.command(c.ReplyToCase, actor=OPERATOR, text="On it", covers=story.open_ids())
    story.command(c.ClaimCase, actor=ANA)
    assert not [found for found in story.effects if isinstance(found, Cancel)]


def test_reply_of_unknown_outcome_is_not_cancelled_by_a_claim() -> None:
    story = a_claim()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.outcome(reply_id(story), c.Outcome.UNSETTLED)
    story.command(c.ReleaseCase, actor=ANA)
    decision = story.command(c.ClaimCase, actor=BEN)
    assert not [found for found in decision.effects if isinstance(found, Cancel)]
    assert story.current.reply is not None


# -- claims, then leaves --------------------------------------------------------------------------


def test_one_who_claims_and_leaves_delays_no_step_of_the_ladder() -> None:
    quiet, held = Story(), Story()
    for story in (quiet, held):
        story.hear(a_mention())
    held.command(c.ClaimCase, actor=ANA)
    for story in (quiet, held):
        while story.now < START + timedelta(hours=8):
            story.next_step()
    wanted = ("case.at_risk", "case.breached", "case.escalated")

    def fired(story: Story) -> list[tuple[str, datetime]]:
        return [(event.type, event.at) for event in story.events if event.type in wanted]

    assert fired(held) == fired(quiet)
    assert held.current.claim is None
