"""Operations cases say what they are about: unreadable records, broken promises, or a balance."""

from __future__ import annotations

import pytest

from careline.domain.case import CaseStatus
from careline.domain.effects import SLACK, Intent, alert_effect
from careline.domain.operations import AUDITOR, NIGHTLY, Trouble, trouble_of
from responders.slack.alerts import alert_of
from responders.slack.cards import card_of
from tests.responders.slack.builders import Story, a_config, an_operations_story

LINE = "heard 120, queries 80 = 60 answered + 12 closed (spam 10, duplicate 2) + 8 open, missing 0"


def about(subject: str, **changes: object) -> Story:
    return an_operations_story().but(subject=subject, **changes)


def shown(story: Story) -> str:
    view = card_of(story.case, story.texts, private=False)
    return view.text + str(view.blocks)


@pytest.mark.parametrize(
    ("subject", "trouble"),
    [
        ("mentions.received.v1: not_json", Trouble.UNREADABLE),
        (f"{AUDITOR}: open_case_has_a_deadline", Trouble.BROKEN),
        ("closed channel acme:public: is_archived", Trouble.CLOSED),
        (f"{NIGHTLY} 2026-11-22: {LINE}", Trouble.BALANCE),
    ],
)
def test_a_case_is_known_by_its_source(subject: str, trouble: Trouble) -> None:
    assert trouble_of(about(subject).case) is trouble


def test_unreadable_records_are_found_among_the_dead_letters() -> None:
    text = shown(about("mentions.received.v1: not_json"))
    assert "records could not be read" in text
    assert "careline dead-letters list" in text


def test_a_broken_promise_names_the_invariant_and_where_to_look() -> None:
    story = about(f"{AUDITOR}: open_case_has_a_deadline", count=2)
    text = shown(story)
    assert "open_case_has_a_deadline" in text
    assert "promises were found broken" in text
    assert "careline ledger audit" in text
    assert "dead-letters" not in text


def test_the_nightly_line_is_whole_and_asks_for_nothing() -> None:
    story = about(f"{NIGHTLY} 2026-11-22: {LINE}", status=CaseStatus.RESOLVED, review_at=None)
    text = shown(story)
    assert LINE in text
    assert "Nothing to do" in text
    assert "could not be read" not in text


def test_an_alert_of_a_broken_promise_does_not_speak_of_records() -> None:
    story = about(f"{AUDITOR}: open_case_has_a_deadline", count=3)
    effect = Intent(
        effect_id=alert_effect("e9"),
        executor=SLACK,
        kind="alert",
        case_id=story.case.case_id,
        event_id="e9",
        subject="step",
        notify="ops",
    )
    blocks, text = alert_of(effect, story.case, story.texts, a_config(), private=False)
    told = text + str(blocks)
    assert "3 promises were found broken" in told
    assert "redrive" not in told
