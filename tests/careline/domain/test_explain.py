"""A policy explained without a case, and two policies compared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from careline.domain.calendars import Calendar, Span
from careline.domain.explain import Change, Moment, Told, compare, explain
from careline.domain.policy import LadderStep, Policy, QueryFacts, Rule
from schemas.targets import TargetKind
from schemas.triage import Priority

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
FIRST, NEXT, RESOLUTION = TargetKind
P1, P2, P3, P4 = Priority
OFFICE = Calendar(
    name="office", spans=tuple(Span(weekday, 9 * HOUR, 17 * HOUR) for weekday in range(5))
)
FRIDAY = datetime(2026, 11, 27, 16, tzinfo=UTC)
MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
QUEUES = (("acme", "acme:public"), ("acme", "acme:direct"))
GERMAN = Rule(name="German", languages=frozenset({"de"}), targets={FIRST: {P2: 30 * MINUTE}})
VIP = Rule(name="VIP", vip=True, targets={FIRST: {P2: 30 * MINUTE}})


def in_the_office(**facts: object) -> Policy:
    return Policy(calendars={"office": OFFICE}, clocks={P2: "office"}, **facts)  # type: ignore[arg-type]


def changes(old: Policy, new: Policy, *instants: datetime) -> list[Change]:
    return list(compare(old, new, queues=QUEUES, instants=instants or (FRIDAY,)))


def test_an_explanation_is_what_will_be_decided_and_told() -> None:
    ladder = (
        LadderStep(name="backup", notify="backup", after=HOUR),
        LadderStep(name="manager", notify="manager", after=HOUR, clock="office"),
    )
    policy = in_the_office(ladder=ladder, repeat_every=2 * HOUR, rules=(GERMAN,))
    found = explain(FIRST, QueryFacts(P2, language="de"), at=FRIDAY + 2 * HOUR, policy=policy)
    assert found is not None
    assert (found.allowed, found.calendar, found.zone) == (30 * MINUTE, "office", "UTC")
    assert (found.rule, found.calendar_rule) == ("German", "")
    assert found.heard_at == FRIDAY + 2 * HOUR
    assert found.opens_at == MONDAY + 9 * HOUR
    assert found.due_at == MONDAY + 9 * HOUR + 30 * MINUTE
    assert found.at_risk_at == found.due_at - timedelta(minutes=7.5)
    assert found.because.startswith("first response 30 min for P2 by rule German, office, due 20")
    assert found.ladder == (
        Told(name="backup", notify="backup", at=MONDAY + 10 * HOUR + 30 * MINUTE),
        Told(name="manager", notify="manager", at=MONDAY + 11 * HOUR + 30 * MINUTE),
    )
    assert found.again_at == MONDAY + 13 * HOUR + 30 * MINUTE


def test_a_target_that_there_is_not_has_no_explanation() -> None:
    assert explain(RESOLUTION, QueryFacts(P2), at=FRIDAY, policy=Policy()) is None


def test_a_policy_and_itself_differ_in_nothing() -> None:
    assert changes(in_the_office(), in_the_office()) == []


def test_what_is_so_for_all_is_said_once() -> None:
    (change,) = changes(Policy(next_response={P2: HOUR}), Policy(next_response={P2: 2 * HOUR}))
    assert change == Change(
        kind=NEXT,
        priority=P2,
        about=(),
        before="1 h, 24x7",
        after="2 h, 24x7",
        moments=(Moment(heard_at=FRIDAY, before=FRIDAY + HOUR, after=FRIDAY + 2 * HOUR),),
    )


def test_only_the_times_at_which_the_policies_do_not_agree_are_shown() -> None:
    nights = Calendar(name="office", spans=(*OFFICE.spans, Span(5, 9 * HOUR, 17 * HOUR)))
    new = Policy(calendars={"office": nights}, clocks={P2: "office"})
    morning = FRIDAY - 6 * HOUR
    first, _ = changes(in_the_office(), new, morning, FRIDAY + 30 * MINUTE)
    assert (first.before, first.after) == ("1 h, office", "1 h, office")
    (moment,) = first.moments
    assert moment.heard_at == FRIDAY + 30 * MINUTE
    assert moment.before == MONDAY + 9 * HOUR + 30 * MINUTE
    assert moment.after == FRIDAY + 17 * HOUR + 30 * MINUTE


def test_a_target_that_comes_or_goes_is_a_change() -> None:
    some = Policy(resolution={P1: HOUR})
    (comes,) = changes(Policy(), some)
    assert (comes.before, comes.after) == ("none", "1 h, 24x7")
    assert comes.moments[0].before is None
    (goes,) = changes(some, Policy())
    assert (goes.before, goes.after) == ("1 h, 24x7", "none")
    assert goes.moments[0].after is None


def test_rules_of_either_policy_are_asked_for() -> None:
    about = ("acme:public, de", "acme:direct, de")
    assert [change.about for change in changes(Policy(), Policy(rules=(GERMAN,)))] == [about] * 2
    assert [change.about for change in changes(Policy(rules=(GERMAN,)), Policy())] == [about] * 2
    first, _ = changes(Policy(), Policy(rules=(VIP,)))
    assert first.about == ("acme:public, VIP", "acme:direct, VIP")
    private = Rule(name="p", queues=frozenset({"acme:direct"}), targets={FIRST: {P2: MINUTE}})
    first, _ = changes(Policy(rules=(VIP,)), Policy(rules=(VIP, private)))
    assert first.about == ("acme:direct",)
    assert (first.before, first.after) == ("1 h, 24x7", "1 min, 24x7")


def test_queries_with_another_change_are_told_apart() -> None:
    first, second, *_ = changes(
        Policy(rules=(GERMAN,)), Policy(first_response={P1: MINUTE, P2: MINUTE, P3: MINUTE})
    )
    assert (first.priority, first.about) == (P1, ())
    found = [
        (change.about, change.before)
        for change in changes(Policy(rules=(GERMAN,)), Policy(first_response={P2: MINUTE}))
        if change.kind is FIRST and change.priority is P2
    ]
    assert found == [
        (("acme:public", "acme:direct"), "1 h, 24x7"),
        (("acme:public, de", "acme:direct, de"), "30 min, 24x7"),
    ]
    assert second.priority is P2
