"""A case that begins at its snapshot is the case; stored states of older versions come along."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from careline.domain.case import SCHEMA, Case
from careline.domain.codec import case_of, case_state, dump_case, load_case
from careline.domain.effects import Intent, Refresh
from careline.domain.evolve import evolve
from careline.domain.snapshots import (
    KEPT,
    decide_snapshot,
    is_due,
    is_forgettable,
    standing_effects,
)
from careline.domain.upcasters import CASES, State, upcast
from schemas import commands as c
from schemas.commands import Disposition
from schemas.events import CaseSnapshotted
from schemas.mentions import Visibility
from tests.support.stories import Story, a_mention


def a_story(*, visibility: Visibility = Visibility.PUBLIC) -> Story:
    """Play a case with two queries, a claim and a reply in flight."""
    story = Story()
    story.hear(a_mention("100", visibility=visibility))
    later = story.now + timedelta(minutes=1)
    story.hear(a_mention("101", visibility=visibility, created_at=later))
    story.command(c.ClaimCase)
    story.command(c.ReplyToCase, text="sorry!", covers=story.open_ids())
    return story


def snapshotted(story: Story) -> tuple[Case, CaseSnapshotted]:
    """Snapshot the case; return it and the event."""
    decision = decide_snapshot(story.current, now=story.now)
    (event,) = decision.events
    assert isinstance(event, CaseSnapshotted)
    assert decision.case is not None
    assert decision.effects == (), "a snapshot tells nobody anything"
    return decision.case, event


def test_a_case_begun_at_its_snapshot_is_the_case() -> None:
    case, event = snapshotted(a_story())
    again = CaseSnapshotted.model_validate_json(event.model_dump_json())
    begun = evolve(None, again)
    assert begun == case
    assert dump_case(begun) == dump_case(case)


def test_a_snapshot_changes_nothing_but_its_own_time() -> None:
    story = a_story()
    before = story.current
    case, event = snapshotted(story)
    assert case.snapshotted_at == event.at
    differing = {name for name in before.__slots__ if getattr(before, name) != getattr(case, name)}
    assert differing == {"version", "last_event_id", "last_event_at", "snapshotted_at"} - (
        {"last_event_at"} if before.last_event_at == event.at else set()
    )


def test_two_who_snapshot_on_the_same_day_make_the_same_cause() -> None:
    story = a_story()
    _, one = snapshotted(story)
    story.pass_time(hours=2)
    _, other = snapshotted(story)
    assert (one.cause_id, one.event_id) == (other.cause_id, other.event_id)
    story.pass_time(days=1)
    assert snapshotted(story)[1].cause_id != one.cause_id


@pytest.mark.parametrize("days", [30, 60])
def test_a_live_case_is_due_after_30_days(days: float) -> None:
    case = a_story().current
    assert is_due(case, now=case.opened_at + timedelta(days=days))
    assert not is_due(case, now=case.opened_at + timedelta(days=29.99))


def test_a_closed_case_is_due_once_an_hour_after_its_close() -> None:
    story = Story()
    story.hear(a_mention())
    story.command(c.ResolveCase, disposition=Disposition.SPAM, covers=story.open_ids())
    closed = story.current
    assert not is_due(closed, now=story.now + timedelta(minutes=59))
    assert is_due(closed, now=story.now + timedelta(hours=1))
    story.pass_time(hours=2)
    whole, _ = snapshotted(story)
    assert not is_due(whole, now=story.now + timedelta(days=300))


def test_a_closed_case_is_forgettable_once_the_log_has_forgotten_it_for_certain() -> None:
    assert timedelta(days=400) < KEPT
    story = Story()
    story.hear(a_mention())
    story.command(c.ResolveCase, disposition=Disposition.SPAM, covers=story.open_ids())
    whole, event = snapshotted(story)
    assert not is_forgettable(whole, now=event.at + KEPT - timedelta(seconds=1))
    assert is_forgettable(whole, now=event.at + KEPT)
    assert not is_forgettable(story.current, now=event.at + KEPT), "not without its snapshot"


def test_a_live_case_is_never_forgettable() -> None:
    case, event = snapshotted(a_story())
    assert not is_forgettable(case, now=event.at + timedelta(days=10_000))


@pytest.mark.parametrize(
    ("visibility", "kind"),
    [(Visibility.PUBLIC, "reply"), (Visibility.DIRECT, "direct_message")],
)
def test_what_still_has_to_happen_is_what_the_events_asked_for(
    visibility: Visibility, kind: str
) -> None:
    story = a_story(visibility=visibility)
    case, event = snapshotted(story)
    asked = {one.effect_id: one for one in story.effects if isinstance(one, Intent)}
    standing = {
        one.effect_id: one for one in standing_effects(case, event) if isinstance(one, Intent)
    }
    assert standing.keys() == asked.keys()
    reply = next(one for one in standing.values() if one.executor != "slack")
    assert reply == asked[reply.effect_id]
    assert reply.kind == kind


def test_a_card_that_stands_is_refreshed_and_not_posted_again() -> None:
    story = Story()
    story.hear(a_mention())
    story.outcome(f"card:{story.current.case_id}", channel="C1", native_id="1.1")
    case, event = snapshotted(story)
    assert list(standing_effects(case, event)) == [Refresh(case_id=case.case_id, version=3 + 1)]
    story.command(c.ResolveCase, disposition=Disposition.SPAM, covers=story.open_ids())
    closed, event = snapshotted(story)
    assert list(standing_effects(closed, event)) == []


def test_a_stored_case_names_the_version_of_its_shape() -> None:
    case = a_story().current
    assert json.loads(dump_case(case))["schema"] == SCHEMA
    assert load_case(dump_case(case)) == case
    # Before it was written, it was 1.
    bare = {name: value for name, value in case_state(case).items() if name != "schema"}
    assert case_of(bare) == case
    assert load_case(json.dumps(bare).encode()) == case


def test_a_case_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    case = a_story().current
    newer = case_state(case) | {"schema": SCHEMA + 1, "mood": "blue"}
    read = case_of(newer)
    assert read.schema == SCHEMA + 1
    assert (read.case_id, read.obligations) == (case.case_id, case.obligations)


def test_upcasters_go_one_version_at_a_time_and_change_a_copy() -> None:
    def renamed(state: State) -> State:
        state["queue"] = state.pop("line_up")
        return state

    def doubled(state: State) -> State:
        return state | {"claims": state["claims"] * 2}

    table: dict[int, Any] = {1: renamed, 2: doubled}
    old = {"line_up": "care", "claims": 2}
    assert upcast(old, 1, 3, table) == {"queue": "care", "claims": 4, "schema": 3}
    assert upcast(old, 1, 2, table) == {"queue": "care", "claims": 2, "schema": 2}
    assert upcast(old, 3, 3, table) is old
    assert old == {"line_up": "care", "claims": 2}


def test_a_version_without_its_upcaster_is_refused() -> None:
    with pytest.raises(ValueError, match="no upcaster from version 2 to 3"):
        upcast({}, 1, 3, {1: dict})
    assert set(CASES) == set(range(1, SCHEMA)), "every older version has one"
