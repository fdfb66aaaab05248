"""When a case goes into the log as a whole, what of it still has to happen, and how it is read."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import orjson
import pytest

from careline.domain.case import SCHEMA, Case, changed
from careline.domain.codec import case_of, case_state, dump_case, load_case
from careline.domain.effects import Intent, Refresh
from careline.domain.evolve import evolve
from careline.domain.snapshots import (
    AFTER_CLOSE,
    EVERY,
    KEPT,
    decide_snapshot,
    is_due,
    is_forgettable,
    standing_effects,
)
from careline.domain.upcasters import upcast
from schemas import commands as c
from schemas import events as e
from schemas.mentions import Visibility
from tests.support.stories import START, Story, a_mention

_INSTANT = timedelta(microseconds=1)


def a_story(*, direct: bool = False) -> Story:
    story = Story()
    visibility = Visibility.DIRECT if direct else Visibility.PUBLIC
    story.hear(a_mention(visibility=visibility))
    story.hear(a_mention("101", visibility=visibility, created_at=START + timedelta(hours=1)))
    return story


def a_closed_case() -> Case:
    story = a_story()
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=story.open_ids())
    return story.current


def a_snapshot(case: Case) -> e.CaseSnapshotted:
    (event,) = decide_snapshot(case, now=case.last_event_at).events
    assert isinstance(event, e.CaseSnapshotted)
    return event


# -- when -----------------------------------------------------------------------------------------


def test_live_case_is_due_thirty_days_after_its_opening_or_its_last_snapshot() -> None:
    case = a_story().current
    assert not is_due(case, now=START + EVERY - _INSTANT)
    assert is_due(case, now=START + EVERY)
    again = changed(case, snapshotted_at=START + EVERY)
    assert not is_due(again, now=START + 2 * EVERY - _INSTANT)
    assert is_due(again, now=START + 2 * EVERY)
    assert timedelta(days=30) == EVERY


def test_closed_case_is_due_once_an_hour_after_its_close() -> None:
    case = a_closed_case()
    assert not is_due(case, now=START + AFTER_CLOSE - _INSTANT)
    assert is_due(case, now=START + AFTER_CLOSE)
    assert is_due(changed(case, snapshotted_at=START - _INSTANT), now=START + AFTER_CLOSE)
    assert not is_due(changed(case, snapshotted_at=START), now=START + EVERY)
    assert timedelta(hours=1) == AFTER_CLOSE


def test_closed_case_that_does_not_say_when_is_due_after_its_last_event() -> None:
    case = changed(a_closed_case(), resolved_at=None)
    assert not is_due(case, now=START + AFTER_CLOSE - _INSTANT)
    assert is_due(case, now=START + AFTER_CLOSE)


def test_closed_case_is_forgotten_with_the_log_and_only_once_it_stands_there_whole() -> None:
    case = changed(a_closed_case(), snapshotted_at=START)
    assert is_forgettable(case, now=START + KEPT)
    assert not is_forgettable(case, now=START + KEPT - _INSTANT)
    assert not is_forgettable(changed(case, snapshotted_at=None), now=START + KEPT)
    assert not is_forgettable(a_story().current, now=START + KEPT)


def test_two_who_decide_on_the_same_day_decide_the_same() -> None:
    case = a_story().current
    noon = START + EVERY
    first, again = (decide_snapshot(case, now=noon + timedelta(hours=n)) for n in (0, 1))
    assert first.events[0].cause_id == again.events[0].cause_id
    assert first.events[0].event_id == again.events[0].event_id
    later = decide_snapshot(case, now=noon + timedelta(days=1))
    assert later.events[0].cause_id != first.events[0].cause_id
    assert first.effects == ()


def test_clock_that_runs_behind_does_not_date_a_snapshot_before_its_case() -> None:
    case = a_story().current
    decision = decide_snapshot(case, now=START - EVERY)
    assert decision.events[0].at == case.last_event_at
    assert decision.events[0].actor == c.POLICY


# -- what it holds --------------------------------------------------------------------------------


def test_reader_may_begin_a_case_with_its_snapshot() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    decision = decide_snapshot(story.current, now=story.now)
    (event,) = decision.events
    read = e.LOG.validate_json(event.model_dump_json())
    assert evolve(None, read) == evolve(story.current, event) == decision.case  # type: ignore[arg-type]
    assert decision.case is not None
    assert decision.case.snapshotted_at == event.at
    assert decision.case.obligations == story.current.obligations


def test_live_case_without_a_card_still_has_to_have_one() -> None:
    case = a_story().current
    event = a_snapshot(case)
    assert list(standing_effects(case, event)) == [
        Intent(
            effect_id=f"card:{case.case_id}",
            executor="slack",
            kind="card",
            case_id=case.case_id,
            event_id=event.event_id,
        )
    ]


def test_card_that_stands_is_shown_again() -> None:
    story = a_story()
    story.outcome(f"card:{story.current.case_id}", channel="C1", native_id="1.1")
    case = story.current
    assert list(standing_effects(case, a_snapshot(case))) == [
        Refresh(case_id=case.case_id, version=case.version)
    ]


@pytest.mark.parametrize(("direct", "kind"), [(False, "reply"), (True, "direct_message")])
def test_reply_in_flight_still_has_to_be_sent(*, direct: bool, kind: str) -> None:
    story = a_story(direct=direct)
    requested = story.command(c.ReplyToCase, text="On it", covers=story.open_ids()[:1])
    wanted = [found for found in requested.effects if isinstance(found, Intent)]
    found = list(standing_effects(story.current, a_snapshot(story.current)))
    assert found[1:] == wanted
    assert wanted[0].kind == kind
    assert wanted[0].subject == "100"


def test_reply_that_covers_nothing_replies_to_the_last_query() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    reply = story.current.reply
    assert reply is not None
    case = changed(story.current, reply=replace(reply, covers=()))
    effect = list(standing_effects(case, a_snapshot(case)))[-1]
    assert isinstance(effect, Intent)
    assert effect.subject == "101"
    lost = changed(story.current, reply=replace(reply, covers=("x:acme:404",)))
    effect = list(standing_effects(lost, a_snapshot(lost)))[-1]
    assert isinstance(effect, Intent)
    assert effect.subject == ""


def test_reply_in_doubt_waits_for_a_person_and_closed_cases_for_nobody() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    assert story.current.reply is not None
    story.outcome(story.current.reply.effect_id, c.Outcome.UNSETTLED)
    found = list(standing_effects(story.current, a_snapshot(story.current)))
    assert [effect.kind for effect in found if isinstance(effect, Intent)] == ["card"]
    closed = a_closed_case()
    assert list(standing_effects(closed, a_snapshot(closed))) == []


# -- how it is read -------------------------------------------------------------------------------


def test_case_as_plain_values_is_read_equal() -> None:
    case = a_story().current
    assert case_of(case_state(case)) == case
    assert case_state(case)["schema"] == SCHEMA


def test_case_from_before_its_schema_was_written_is_read_as_the_first() -> None:
    case = a_story().current
    state = case_state(case)
    del state["schema"]
    assert load_case(orjson.dumps(state)) == case
    assert dump_case(case).startswith(b'{"schema":')


def test_state_is_brought_up_one_version_at_a_time() -> None:
    table = MappingProxyType(
        {
            1: lambda state: {**state, "second": state["first"] + 1},
            2: lambda state: {**state, "third": state["second"] + 1},
        }
    )
    old = {"first": 1}
    assert upcast(old, 1, 3, table) == {"first": 1, "second": 2, "third": 3, "schema": 3}
    assert old == {"first": 1}
    assert upcast({"first": 1}, 3, 3, table) == {"first": 1}
    assert upcast({"first": 1}, 4, 3, table) == {"first": 1}


def test_version_without_an_upcaster_is_refused() -> None:
    with pytest.raises(ValueError, match="no upcaster from version 1 to 2"):
        upcast({}, 1, 2, MappingProxyType({}))
