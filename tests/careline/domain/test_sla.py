"""Targets: which one a query has, how it says so, and what of the time used is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from careline.domain.calendars import ALWAYS, Calendar, Span
from careline.domain.case import Obligation
from careline.domain.policy import Policy, QueryFacts, Rule, Vips
from careline.domain.sla import in_words, response, retarget, spent_of, target_of
from schemas.mentions import AuthorRef
from schemas.targets import TargetKind, Terms
from schemas.triage import Priority, Sentiment, Urgency

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
FIRST, NEXT, RESOLUTION = TargetKind
P1, P2, P3, P4 = Priority

BERLIN = Calendar(
    name="business hours Berlin",
    zone="Europe/Berlin",
    spans=tuple(Span(day, 9 * HOUR, 17 * HOUR) for day in range(5)),
)
TOKYO = Calendar(
    name="Tokyo",
    zone="Asia/Tokyo",
    spans=tuple(Span(day, 9 * HOUR, 17 * HOUR) for day in range(5)),
)
NOON = datetime(2026, 11, 24, 11, tzinfo=UTC)  # a Tuesday, 12:00 in Berlin


def an_obligation(**changes: object) -> Obligation:
    facts: dict[str, object] = {
        "mention_id": "x:acme:1",
        "revision": "0",
        "order": ("a", "b"),
        "priority": P2,
        "sentiment": Sentiment.NEUTRAL,
        "urgency": Urgency.HIGH,
        "heard_at": NOON,
        "created_at": NOON,
        "at_risk_at": NOON + 45 * MINUTE,
        "due_at": NOON + HOUR,
        "because": "as it was",
    }
    return Obligation(**(facts | changes))  # type: ignore[arg-type]


def in_berlin(**changes: object) -> Policy:
    facts: dict[str, object] = {
        "first_response": {P1: HOUR, P2: 2 * HOUR, P3: 8 * HOUR, P4: 24 * HOUR},
        "calendars": {each.name: each for each in (BERLIN, TOKYO)},
        "clocks": dict.fromkeys(Priority, BERLIN.name),
    }
    return Policy(**(facts | changes))  # type: ignore[arg-type]


def test_the_default_runs_around_the_clock_and_needs_no_terms() -> None:
    target = response(FIRST, QueryFacts(P2), since=NOON, policy=Policy())
    assert target.due_at == NOON + HOUR
    assert target.at_risk_at == NOON + 45 * MINUTE
    assert target.because == "first response 1 h for P2, 24x7, due 12:00 UTC"
    assert target.terms is None


def test_a_deadline_explains_itself_on_its_own_wall_clock() -> None:
    target = response(FIRST, QueryFacts(P2), since=NOON, policy=in_berlin())
    assert target.due_at == NOON + 2 * HOUR
    assert target.because == "first response 2 h for P2, business hours Berlin, due 14:00 CET"
    assert target.terms == Terms(allowed=2 * HOUR, calendar=BERLIN.name, runs_from=NOON)


def test_a_deadline_on_another_day_says_which() -> None:
    target = response(FIRST, QueryFacts(P3), since=NOON, policy=in_berlin())
    assert target.due_at == NOON + 24 * HOUR
    assert target.at_risk_at == NOON + 22 * HOUR
    assert target.because.endswith("due 2026-11-25 12:00 CET")


def test_a_next_response_is_as_quick_as_a_first_one_unless_stated() -> None:
    plain = response(NEXT, QueryFacts(P2), since=NOON, policy=Policy())
    assert plain.due_at == NOON + HOUR
    assert plain.because.startswith("next response 1 h for P2")
    assert plain.terms == Terms(target=NEXT, allowed=HOUR, runs_from=NOON)
    stated = Policy(next_response={P2: 2 * HOUR})
    assert response(NEXT, QueryFacts(P2), since=NOON, policy=stated).due_at == NOON + 2 * HOUR
    assert response(NEXT, QueryFacts(P1), since=NOON, policy=stated).due_at == NOON + 15 * MINUTE


def test_a_resolution_is_due_only_where_the_policy_says_so() -> None:
    policy = Policy(resolution={P1: 8 * HOUR})
    assert target_of(RESOLUTION, QueryFacts(P2), since=NOON, policy=policy) is None
    target = target_of(RESOLUTION, QueryFacts(P1), since=NOON, policy=policy)
    assert target is not None
    assert target.because == "resolution 8 h for P1, 24x7, due 19:00 UTC"
    assert target.terms == Terms(target=RESOLUTION, allowed=8 * HOUR, runs_from=NOON)


def test_a_policy_that_forgets_a_priority_is_said_to_be_wrong() -> None:
    with pytest.raises(ValueError, match="no first_response for P1"):
        response(FIRST, QueryFacts(P1), since=NOON, policy=Policy(first_response={P2: HOUR}))


def test_a_calendar_that_is_gone_is_always_open() -> None:
    policy = in_berlin(calendars={})
    assert policy.calendar("business hours Berlin") is ALWAYS
    assert policy.calendar("") is ALWAYS
    assert response(FIRST, QueryFacts(P3), since=NOON, policy=policy).due_at == NOON + 8 * HOUR


# Rules.


def a_rule(name: str, hours: int, **asked: object) -> Rule:
    return Rule(name=name, targets={FIRST: dict.fromkeys(Priority, hours * HOUR)}, **asked)  # type: ignore[arg-type]


FACTS = QueryFacts(P2, account="Acme", queue="Acme:direct", language="de", vip=True)


@pytest.mark.parametrize(
    ("asked", "others"),
    [
        ({"priorities": frozenset({P2, P1})}, FACTS._replace(priority=P3)),
        ({"accounts": frozenset({"acme"})}, FACTS._replace(account="other")),
        ({"queues": frozenset({"acme:direct"})}, FACTS._replace(queue="acme:public")),
        ({"languages": frozenset({"de"})}, FACTS._replace(language="en")),
        ({"vip": True}, FACTS._replace(vip=False)),
    ],
)
def test_a_rule_is_about_what_it_asks_for_and_nothing_else(
    asked: dict[str, object], others: QueryFacts
) -> None:
    rule = a_rule("one", 5, **asked)
    assert rule.weight == 1
    assert rule.fits(FACTS)
    assert not rule.fits(others)
    assert a_rule("all", 5).fits(others)
    assert a_rule("all", 5).weight == 0


def test_a_rule_may_be_about_those_who_are_no_vips() -> None:
    rule = a_rule("plain", 5, vip=False)
    assert rule.weight == 1
    assert rule.fits(FACTS._replace(vip=False))
    assert not rule.fits(FACTS)


def test_the_most_specific_rule_wins_and_the_first_of_equals() -> None:
    both = {"languages": frozenset({"de"}), "vip": True}
    rules = (
        a_rule("language", 5, languages=frozenset({"de"})),
        a_rule("vip", 6, vip=True),
        a_rule("both", 7, **both),
        a_rule("both again", 8, **both),
    )
    target = response(FIRST, FACTS, since=NOON, policy=Policy(rules=rules))
    assert target.because == "first response 7 h for P2 by rule both, 24x7, due 18:00 UTC"
    plain = FACTS._replace(vip=False)
    assert response(FIRST, plain, since=NOON, policy=Policy(rules=rules)).due_at == NOON + 5 * HOUR
    equals = Policy(rules=rules[:2])
    assert response(FIRST, FACTS, since=NOON, policy=equals).due_at == NOON + 5 * HOUR


def test_each_value_comes_from_the_most_specific_rule_that_states_it() -> None:
    rules = (
        Rule(name="hours", queues=frozenset({"acme:direct"}), calendar=BERLIN.name),
        Rule(
            name="vip",
            vip=True,
            queues=frozenset({"acme:direct"}),
            targets={FIRST: {P2: HOUR}, RESOLUTION: {P2: 4 * HOUR}},
        ),
    )
    policy = in_berlin(clocks={}, rules=rules)
    level = policy.level(FIRST, FACTS)
    assert level is not None
    assert level == (HOUR, BERLIN, "vip", "hours")
    other = policy.level(FIRST, FACTS._replace(priority=P3))
    assert other == (8 * HOUR, BERLIN, "", "hours")
    assert policy.level(RESOLUTION, FACTS) == (4 * HOUR, BERLIN, "vip", "hours")
    assert policy.level(NEXT, FACTS) == (HOUR, BERLIN, "vip", "hours")


def test_a_rule_may_take_queries_out_of_office_hours() -> None:
    policy = in_berlin(rules=(Rule(name="vip", vip=True, calendar=""),))
    assert policy.level(FIRST, FACTS) == (2 * HOUR, ALWAYS, "", "vip")


def test_with_rules_the_terms_say_what_the_policy_looked_at() -> None:
    policy = Policy(rules=(a_rule("vip", 5, vip=False),))
    target = response(FIRST, FACTS, since=NOON, policy=policy)
    assert target.terms == Terms(allowed=HOUR, runs_from=NOON, language="de", vip=True)


def test_what_was_asked_of_a_policy_is_not_remembered_for_ever() -> None:
    policy = Policy()
    for number in range(5000):
        policy.level(FIRST, QueryFacts(P1, queue=str(number)))
    assert len(policy._levels) < 5000
    assert policy.level(FIRST, FACTS) is policy.level(FIRST, FACTS)
    assert policy == Policy()


@pytest.mark.parametrize(
    ("author", "is_vip"),
    [
        (AuthorRef(id="7"), True),
        (AuthorRef(id="8", handle="@Star"), True),
        (AuthorRef(id="8", handle="star2", followers=999), False),
        (AuthorRef(id="8", followers=1000), True),
        (AuthorRef(id="8"), False),
    ],
)
def test_vips_are_named_or_followed_by_many(author: AuthorRef, *, is_vip: bool) -> None:
    vips = Vips(authors=frozenset({"7", "star"}), followers=1000)
    assert vips.include(author) is is_vip
    assert not Vips().include(author)


# A query that is another one now.


def test_a_query_that_is_no_other_keeps_its_deadline_whatever_the_policy_says_today() -> None:
    known = an_obligation()
    today = Policy(first_response=dict.fromkeys(Priority, MINUTE))
    kept = retarget(known, QueryFacts(P2), now=NOON + MINUTE, policy=today)
    assert (kept.due_at, kept.at_risk_at, kept.because) == (
        known.due_at,
        known.at_risk_at,
        "as it was",
    )
    assert kept.terms is None


def test_another_priority_runs_from_where_the_time_began() -> None:
    target = retarget(an_obligation(), QueryFacts(P3), now=NOON + 38 * MINUTE, policy=Policy())
    assert target.due_at == NOON + 4 * HOUR
    assert target.at_risk_at == NOON + 3 * HOUR
    assert target.because == "first response 4 h for P3, 24x7, 38 min used, due 15:00 UTC"
    assert target.terms is None


def test_a_target_that_is_shorter_than_what_was_used_is_missed_in_the_past() -> None:
    known = an_obligation(priority=P4, due_at=NOON + 24 * HOUR)
    target = retarget(known, QueryFacts(P1), now=NOON + 3 * HOUR, policy=Policy())
    assert target.due_at == NOON + 15 * MINUTE


def test_on_another_calendar_the_time_used_is_taken_off() -> None:
    # 11:00 UTC is 12:00 in Berlin; at 15:00 UTC four hours of two working days are used.
    terms = Terms(allowed=8 * HOUR, calendar=BERLIN.name, runs_from=NOON)
    known = an_obligation(priority=P3, terms=terms, due_at=NOON + 24 * HOUR)
    policy = in_berlin(clocks={P3: BERLIN.name, P4: TOKYO.name})
    now = NOON + 4 * HOUR
    target = retarget(known, QueryFacts(P4), now=now, policy=policy)
    assert target.terms == Terms(allowed=24 * HOUR, calendar="Tokyo", runs_from=now, used=4 * HOUR)
    assert target.due_at == TOKYO.add(now, 20 * HOUR)
    assert target.at_risk_at == TOKYO.add(now, 14 * HOUR)
    assert target.because.startswith("first response 24 h for P4, Tokyo, 4 h used, due 2026-11-")
    # Back again: the four hours stay used, and what has passed in Tokyo is used too.
    moved = an_obligation(priority=P4, terms=target.terms, due_at=target.due_at)
    later = now + 16 * HOUR
    back = retarget(moved, QueryFacts(P3), now=later, policy=policy)
    assert back.terms is not None
    assert back.terms.used == 4 * HOUR + TOKYO.worked(now, later) == 11 * HOUR
    assert back.due_at == later


def test_a_query_keeps_what_it_waits_for_when_it_is_another_one() -> None:
    terms = Terms(target=NEXT, allowed=HOUR, runs_from=NOON)
    policy = Policy(next_response={P1: 5 * MINUTE})
    target = retarget(an_obligation(terms=terms), QueryFacts(P1), now=NOON + MINUTE, policy=policy)
    assert target.because == "next response 5 min for P1, 24x7, 1 min used, due 11:05 UTC"
    assert target.terms == Terms(target=NEXT, allowed=5 * MINUTE, runs_from=NOON)


@pytest.mark.parametrize("changed", [{"language": "fr"}, {"vip": False}])
def test_another_language_or_author_asks_the_policy_again(changed: dict[str, object]) -> None:
    terms = Terms(allowed=HOUR, runs_from=NOON, language="de", vip=True)
    policy = Policy(rules=(a_rule("de vip", 5, languages=frozenset({"de"}), vip=True),))
    known = an_obligation(terms=terms)
    same = retarget(known, FACTS, now=NOON, policy=policy)
    other = retarget(known, FACTS._replace(**changed), now=NOON, policy=policy)
    assert same.because == "as it was"
    assert other.because == "first response 1 h for P2, 24x7, due 12:00 UTC"


def test_a_target_that_the_policy_has_no_more_stays() -> None:
    terms = Terms(target=RESOLUTION, allowed=HOUR, runs_from=NOON)
    known = an_obligation(terms=terms)
    assert retarget(known, QueryFacts(P3), now=NOON, policy=Policy()).due_at == known.due_at


def test_a_query_heard_after_now_is_no_paused_one() -> None:
    """The connector's clock may run ahead of the ledger's."""
    known = an_obligation(heard_at=NOON + MINUTE)
    target = retarget(known, QueryFacts(P1), now=NOON, policy=Policy())
    assert target.due_at == NOON + 16 * MINUTE
    assert target.because == "first response 15 min for P1, 24x7, due 11:16 UTC"


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (2 * HOUR, "2 h"),
        (90 * MINUTE, "90 min"),
        (timedelta(seconds=90), "90 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(seconds=0.5), "0.5 s"),
    ],
)
def test_a_target_is_said_exactly(duration: timedelta, words: str) -> None:
    assert in_words(duration) == words


@pytest.mark.parametrize(
    ("used", "words"),
    [
        (timedelta(seconds=59), ""),
        (timedelta(seconds=60), ", 1 min used"),
        (timedelta(minutes=59, seconds=59), ", 59 min used"),
        (HOUR, ", 1 h used"),
        (25 * HOUR + 5 * MINUTE, ", 25 h 5 min used"),
    ],
)
def test_time_used_is_said_in_whole_minutes(used: timedelta, words: str) -> None:
    assert spent_of(used) == words
