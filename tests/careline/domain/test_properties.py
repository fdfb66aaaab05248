"""Properties of the heart over arbitrary stories: the promise holds after every single step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from careline.domain.case import Case, CaseStatus
from careline.domain.codec import dump_case, dump_line, load_case, load_line
from careline.domain.evolve import evolve
from careline.domain.invariants import audit_case
from careline.domain.steps import next_due
from schemas import commands as c
from schemas.events import LOG
from tests.support.stories import ANA, BEN, START, Story, a_mention, a_triage, an_edit, an_own_post

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "query",
                "word",
                "edit",
                "delete",
                "own_post",
                "claim",
                "release",
                "reply",
                "delivered",
                "dropped",
                "unsettled",
                "settle",
                "snooze",
                "escalate",
                "resolve",
                "correct",
                "card",
                "time",
                "fire",
            ]
        ),
        st.integers(0, 4),
        st.booleans(),
    ),
    max_size=40,
)


def act(  # noqa: C901, PLR0912
    story: Story,
    action: str,
    number: int,
    flag: bool,  # noqa: FBT001
) -> None:
    mention = a_mention(
        str(100 + number),
        created_at=START + timedelta(minutes=number),
        heard_at=max(story.now, START),
    )
    actor = ANA if flag else BEN
    effect = story.case.reply.effect_id if story.case and story.case.reply else "reply:none"
    facts: dict[str, Any] = {"actor": actor}
    covers = tuple(f"x:acme:{100 + n}" for n in range(number + 1))
    match action:
        case "query":
            story.hear(mention, awaited="900" if flag and number == 4 else None)
        case "word":
            story.hear(mention, a_triage(query=False))
        case "edit":
            story.hear(an_edit(mention, revision=str(number + 1)), a_triage(query=flag))
        case "delete":
            story.withdraw(mention)
        case "own_post":
            story.brand_posts(an_own_post(mention, native_id=f"90{number}"), to=mention)
        case "claim":
            story.command(c.ClaimCase, **facts)
        case "release":
            story.command(c.ReleaseCase, **facts)
        case "reply":
            story.command(c.ReplyToCase, text="On it", covers=covers, expects_answer=flag, **facts)
        case "delivered":
            story.outcome(effect, native_id=f"80{number}")
        case "dropped":
            story.outcome(effect, c.Outcome.DROPPED, reason="late")
        case "unsettled":
            story.outcome(effect, c.Outcome.UNSETTLED)
        case "settle":
            story.command(c.SettleReply, effect_id=effect, sent=flag, **facts)
        case "snooze":
            story.command(c.SnoozeCase, until=story.now + timedelta(hours=number), **facts)
        case "escalate":
            story.command(c.EscalateCase, **facts)
        case "resolve":
            story.command(
                c.ResolveCase, disposition=c.Disposition.DUPLICATE, covers=covers, **facts
            )
        case "correct":
            story.command(c.CorrectTriage, mention_id=f"x:acme:{100 + number}", query=flag, **facts)
        case "card":
            story.outcome(f"card:{story.line.case_id}", channel="C1", native_id="1.1")
        case "time":
            story.pass_time(hours=number * 20)
        case _:
            if story.case:
                story.fire()


@settings(max_examples=300, deadline=None)
@given(ACTIONS)
def test_after_every_step_each_query_is_answered_closed_or_open_with_a_deadline(
    actions: list[tuple[str, int, bool]],
) -> None:
    story = Story()
    for action, number, flag in actions:
        act(story, action, number, flag)
        for case in story.cases.values():
            assert audit_case(case, next_due(case)) == ()
            if case.open_obligations:
                assert case.status not in (CaseStatus.ANSWERED, CaseStatus.WAITING)
            if case.is_live:
                assert next_due(case) is not None


@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_the_log_alone_rebuilds_every_case_byte_for_byte(
    actions: list[tuple[str, int, bool]],
) -> None:
    story = Story()
    for action, number, flag in actions:
        act(story, action, number, flag)
    rebuilt: dict[str, Case] = {}
    for event in story.events:
        read = LOG.validate_json(event.model_dump_json())
        rebuilt[event.case_id] = evolve(rebuilt.get(event.case_id), read)  # type: ignore[arg-type]
    assert rebuilt == story.cases
    for case in story.cases.values():
        assert load_case(dump_case(case)) == case
    assert load_line(dump_line(story.line)) == story.line


@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_versions_have_no_gap_and_event_ids_are_unique(
    actions: list[tuple[str, int, bool]],
) -> None:
    story = Story()
    for action, number, flag in actions:
        act(story, action, number, flag)
    ids = [event.event_id for event in story.events]
    assert len(ids) == len(set(ids))
    for case_id in story.cases:
        versions = [event.version for event in story.events if event.case_id == case_id]
        assert versions == list(range(1, len(versions) + 1))


@settings(max_examples=100, deadline=None)
@given(ACTIONS)
def test_every_command_ends_in_an_event_or_one_refusal(
    actions: list[tuple[str, int, bool]],
) -> None:
    story = Story()
    for action, number, flag in actions:
        events, refusals = len(story.events), len(story.refusals)
        act(story, action, number, flag)
        if action in ("claim", "release", "reply", "snooze", "escalate", "resolve", "correct"):
            told = len(story.refusals) - refusals
            assert told == (0 if len(story.events) > events else 1)
