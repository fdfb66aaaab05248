"""A thousand curated texts, each as the words, name and triage of a card: shown, and harmless."""

from __future__ import annotations

import pytest

from responders.slack.cards import card_of, minimal_card
from schemas.base import well_formed
from tests.responders.slack.builders import Story, a_mention, a_triage
from tests.responders.slack.harmless import harm_of, strings
from tests.support.hostile_texts import FAMILIES, all_texts, texts_of


def test_there_are_a_thousand_of_them() -> None:
    assert len(all_texts()) >= 1000


@pytest.mark.parametrize("family", FAMILIES)
def test_a_hostile_text_is_shown_and_does_nothing(family: str) -> None:
    for text in texts_of(family):
        known = well_formed(text)
        triage = a_triage(reasons=(known, known), topics=(known,), language=known[:20] or "x")
        story = Story(a_mention(1, text, handle=text[:500]), a_mention(2, text), triage=triage)
        for made in (card_of, minimal_card):
            view = made(story.case, story.texts, private=False)
            assert harm_of(view) == [], repr(text[:300])
        shown = "".join(strings(card_of(story.case, story.texts, private=False).blocks))
        assert ("My parcel" in shown) == text.startswith("My parcel"), repr(text[:300])
