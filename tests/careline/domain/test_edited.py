"""An edit under a policy with rules, pauses and resolutions: what it opens, moves and keeps."""

from __future__ import annotations

from datetime import timedelta

import pytest

from careline.domain.case import CaseStatus
from careline.domain.policy import Policy, Rule, Vips
from schemas import commands as c
from schemas import events as e
from schemas.targets import TargetKind
from schemas.triage import Priority, Urgency
from tests.support.pauses import SNOOZED, a_story, snooze, the_query
from tests.support.stories import START, Story, a_mention, a_triage, an_edit, an_own_post, types

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
GERMAN = Rule(
    name="German",
    accounts=frozenset({"acme"}),
    languages=frozenset({"de"}),
    targets={TargetKind.FIRST_RESPONSE: {Priority.P1: MINUTE, Priority.P3: 2 * HOUR}},
)
VIP = Rule(
    name="VIP", vip=True, targets={TargetKind.FIRST_RESPONSE: dict.fromkeys(Priority, MINUTE)}
)


def test_an_edit_that_makes_it_another_query_is_judged_by_the_rules_and_keeps_its_terms() -> None:
    story = Story(Policy(rules=(GERMAN,)))
    story.hear(a_mention(), a_triage(language="de"))
    assert the_query(story).due_at == START + 2 * HOUR
    story.hear(an_edit(a_mention()), a_triage(language="de", urgency=Urgency.CRITICAL))
    edited = the_query(story)
    assert edited.because == "first response 1 min for P1 by rule German, 24x7, due 09:01 UTC"
    assert edited.terms is not None
    assert (edited.terms.language, edited.terms.allowed) == ("de", MINUTE)
    story.hear(an_edit(a_mention(), revision="2"), a_triage(language="en"))
    assert the_query(story).because == "first response 4 h for P3, 24x7, due 13:00 UTC"


def test_an_edit_of_an_answered_query_into_thanks_opens_nothing() -> None:
    story = Story()
    mention = a_mention()
    story.hear(mention)
    story.brand_posts(an_own_post(mention), mention)
    assert story.current.status is CaseStatus.ANSWERED
    decision = story.hear(an_edit(mention), a_triage(query=False))
    assert types(decision.events) == ["obligation.changed"]
    assert story.current.status is CaseStatus.ANSWERED


def test_an_edit_of_an_open_query_wakes_nobody() -> None:
    story = a_story()
    snooze(story, story.now + HOUR)
    story.hear(an_edit(a_mention()), a_triage(urgency=Urgency.HIGH))
    assert story.current.status is CaseStatus.SNOOZED


@pytest.mark.parametrize("claimed", [True, False])
def test_an_edit_that_opens_a_query_again_wakes_the_case_and_lets_its_time_run(
    claimed: bool,  # noqa: FBT001
) -> None:
    story = Story(SNOOZED)
    first = a_mention("100")
    story.hear(first)
    story.hear(a_mention("101", created_at=START + HOUR, heard_at=START))
    story.brand_posts(an_own_post(first), first)
    if claimed:
        story.command(c.ClaimCase)
    moved = the_query(story).due_at
    snooze(story, story.now + HOUR)
    assert the_query(story).due_at == moved + HOUR
    decision = story.hear(an_edit(first))
    assert types(decision.events) == ["case.woken", "deadline.moved", "obligation.changed"]
    assert story.current.status is (CaseStatus.CLAIMED if claimed else CaseStatus.NEW)
    second = story.current.obligation("x:acme:101")
    assert second is not None
    assert second.due_at == moved
    if claimed:
        assert story.current.claim is not None
        assert story.current.claim.lease_until == story.now + story.policy.lease


def test_an_edit_that_opens_a_resolved_case_gives_it_a_resolution_from_the_edit_on() -> None:
    story = Story(Policy(resolution=dict.fromkeys(Priority, 8 * HOUR)))
    mention = a_mention()
    story.hear(mention)
    story.command(
        c.ResolveCase, covers=story.open_ids(), disposition=c.Disposition.HANDLED_ELSEWHERE
    )
    assert story.current.resolution is None
    story.now = START + 3 * HOUR
    decision = story.hear(an_edit(mention, heard_at=story.now))
    targeted = decision.events[-1]
    assert isinstance(targeted, e.ResolutionTargeted)
    assert (targeted.heard_at, targeted.due_at) == (story.now, story.now + 8 * HOUR)


def test_a_query_from_before_there_were_rules_is_nobodys_favourite() -> None:
    story = Story(Policy())
    story.hear(a_mention())
    assert the_query(story).terms is None
    story.policy = Policy(rules=(VIP,), vips=Vips(authors=frozenset({"8"})))
    story.command(c.CorrectTriage, mention_id=story.open_ids()[0], query=True, urgency=Urgency.HIGH)
    assert the_query(story).because == "first response 1 h for P2, 24x7, due 10:00 UTC"
    terms = the_query(story).terms
    assert terms is not None
    assert (terms.language, terms.vip) == ("", False)
