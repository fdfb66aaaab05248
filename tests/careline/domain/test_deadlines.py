"""What falls due: warnings, breaches, the ladder that never ends, leases, follow-ups, reviews."""

from __future__ import annotations

from datetime import timedelta

from careline.domain.case import CaseStatus
from careline.domain.effects import Intent
from careline.domain.operations import operations_case
from careline.domain.steps import next_due, next_step, pending_steps
from schemas import commands as c
from schemas import events as e
from tests.support.stories import START, Story, a_mention, types


def test_nothing_fires_before_its_time() -> None:
    story = Story()
    story.hear(a_mention())
    story.pass_time(hours=2)
    assert story.fire().events == ()


def test_unanswered_query_warns_breaches_and_climbs_without_end() -> None:
    story = Story()
    story.hear(a_mention())
    for _ in range(6):
        story.next_step()
    assert types(story.events)[2:] == [
        "case.at_risk",
        "case.breached",
        "case.escalated",
        "case.escalated",
        "case.escalated",
        "case.escalated",
    ]
    told = [event.notify for event in story.events if isinstance(event, e.CaseEscalated)]
    assert told == ["backup", "manager", "manager", "manager"]
    assert story.current.ladder is not None
    assert story.current.ladder.exhausted
    assert next_due(story.current) is not None
    assert story.current.is_live


def test_step_missed_during_an_outage_fires_once_and_one_at_a_time() -> None:
    story = Story()
    story.hear(a_mention())
    story.pass_time(days=3)
    fired = [types(story.fire().events) for _ in range(4)]
    assert fired == [["case.at_risk"], ["case.breached"], ["case.escalated"], []]


def test_claim_that_is_not_used_expires() -> None:
    story = Story()
    story.hear(a_mention())
    story.command(c.ClaimCase)
    story.next_step()
    story.next_step()
    assert types(story.events)[-1] == "case.released"
    assert story.current.claim is None


def test_lease_does_not_expire_while_a_reply_is_in_flight() -> None:
    story = Story()
    story.hear(a_mention())
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    assert "lease" not in {step.kind for step in pending_steps(story.current)}


def test_reply_without_an_outcome_is_put_in_front_of_a_person() -> None:
    story = Story()
    mention = a_mention()
    story.hear(mention)
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    story.withdraw(mention)
    step = next_step(story.current)
    assert step is not None
    assert step.kind == "reply"
    story.next_step()
    assert types(story.events)[-1] == "reply.unsettled"
    story.command(c.ResolveCase, disposition=c.Disposition.WITHDRAWN_BY_AUTHOR, covers=())
    assert not story.current.is_live


def test_snoozed_case_wakes_by_time_with_a_fresh_lease() -> None:
    story = Story()
    story.hear(a_mention())
    story.command(c.ClaimCase)
    story.command(c.SnoozeCase, until=START + timedelta(hours=1))
    story.next_step()
    assert types(story.events)[-1] == "case.woken"
    assert story.current.status is CaseStatus.CLAIMED
    assert story.current.claim is not None
    assert story.current.claim.lease_until == START + timedelta(hours=1) + story.policy.lease


def test_answered_case_resolves_when_no_further_word_comes() -> None:
    story = Story()
    story.hear(a_mention(), awaited="900")
    story.next_step()
    assert story.current.status is CaseStatus.RESOLVED
    assert story.current.disposition is c.Disposition.ANSWERED
    assert next_due(story.current) is None


def test_follow_up_of_an_earlier_answer_never_resolves_a_later_query() -> None:
    """Found by the simulation: somebody claims the answered case, lets go, the author writes."""
    story = Story()
    first, later = a_mention("100"), a_mention("101")
    story.hear(first)
    story.command(c.ReplyToCase, text="here you are", covers=(first.mention_id,))
    assert story.current.reply is not None
    story.outcome(story.current.reply.effect_id, native_id="900")
    story.command(c.ClaimCase)
    story.command(c.ReleaseCase)
    story.hear(later)
    for _ in range(20):
        story.next_step()
    assert story.open_ids() == (later.mention_id,)
    assert story.current.is_live


def test_alerts_name_who_is_told() -> None:
    story = Story()
    story.hear(a_mention())
    for _ in range(3):
        story.next_step()
    alerts = [
        (found.subject, found.notify)
        for found in story.effects
        if isinstance(found, Intent) and found.kind == "alert"
    ]
    assert alerts == [("at_risk", "holder"), ("step", "backup")]


def test_second_breach_does_not_restart_the_ladder() -> None:
    story = Story()
    story.hear(a_mention("100"))
    story.hear(a_mention("101", heard_at=START + timedelta(minutes=1)))
    story.pass_time(hours=5)
    while story.fire().events:
        pass
    assert story.current.ladder is not None
    assert story.current.ladder.next_step == 1


def test_operations_case_is_told_again_until_somebody_resolves_it() -> None:
    story = Story()
    case_id = operations_case("x/acme", "malformed", START, partitions=16)
    executor = c.Actor(kind=c.ActorKind.EXECUTOR, id="connector")
    story.command(
        c.ReportUnreadable,
        actor=executor,
        case_id=case_id,
        reason="malformed",
        source="x/acme",
        position="5",
        hour=START,
    )
    story.line = type(story.line)(case_id=case_id, episode=1)
    story.next_step()
    story.next_step()
    assert types(story.events)[-2:] == ["case.escalated", "case.escalated"]
    story.command(c.ResolveCase, disposition=c.Disposition.REPAIRED, covers=())
    assert next_due(story.current) is None
