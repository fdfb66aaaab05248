"""Cards: what each state shows, whatever the author wrote, within Slack's limits."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.models.blocks import Block

from careline.domain.case import ObligationStatus, ReplyState
from careline.sandbox.slack.blocks import faults_of
from careline.sandbox.slack.pings import count
from responders.slack import buttons as b
from responders.slack.cards import SHOWN_MAX, CardView, card_of, minimal_card
from responders.slack.escape import length
from schemas.base import well_formed
from schemas.commands import Disposition
from schemas.mentions import Visibility
from tests.responders.slack.builders import NOW, SECRET_WORDS, Story, a_mention, a_triage, states
from tests.responders.slack.harmless import harm_of
from tests.responders.slack.test_escape import ALPHABET
from tests.support.scale import scaled

CARDS = states()
HOSTILE = (
    "<!channel> <!here> <!everyone> <@U0ANA> <#C1|x> <!subteam^S1|y>",
    "<http://evil.example|https://bank.example>",
    "@channel @here @everyone",
    "*bold* _it_ ~s~ `c` ```x``` > quote",
    "\u202etxet\u202c \u200b\ufeff",
    "&lt;!channel&gt; &amp;lt;!here&amp;gt;",
    "a\x00b\x1b[31m\ud800\udfff\ud800",
    "Z" + "\u0301" * 3000,
    "👨\u200d👩\u200d👧" * 900,
    "<" * 5000,
    "&" * 70_000,
    "x" * 1_000_000,
    "\U0010ffff" * 4000,
    "\n" * 5000 + "end",
    "",
    "\u3164",
    "[x](https://evil.example) javascript:alert(1)",
    '{"type":"broadcast","range":"channel"}',
)


def text_of(view: CardView) -> str:
    return json.dumps(view.blocks, ensure_ascii=False) + view.text


def pressable(view: CardView) -> list[str]:
    return [
        element["action_id"]
        for block in view.blocks
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def status_of(name: str) -> str:
    story = CARDS[name]
    return text_of(card_of(story.case, story.texts, private=False))


@pytest.mark.parametrize("name", CARDS)
def test_every_state_is_a_card_that_slack_takes(name: str) -> None:
    story = CARDS[name]
    for made in (card_of, minimal_card):
        view = made(story.case, story.texts, private=False)
        assert faults_of(view.blocks) == ("", [])
        # What Slack's own models read and would send is what we send.
        assert [block.to_dict() for block in Block.parse_all(view.blocks)] == view.blocks
        assert 0 < length(view.text) <= 400
        assert story.case.case_id in text_of(view)


@pytest.mark.parametrize(
    ("name", "buttons"),
    [
        ("new", [b.CLAIM, b.REPLY, b.SNOOZE, b.ESCALATE, b.RESOLVE, b.CORRECT]),
        ("open", [b.CLAIM, b.REPLY, b.SNOOZE, b.ESCALATE, b.RESOLVE, b.CORRECT]),
        ("claimed", [b.REPLY, b.SNOOZE, b.ESCALATE, b.RESOLVE, b.CORRECT, b.RELEASE]),
        ("breached", [b.CLAIM, b.REPLY, b.SNOOZE, b.ESCALATE, b.RESOLVE, b.CORRECT]),
        ("to_be_settled", [b.CLAIM, b.REPLY, b.SNOOZE, b.ESCALATE, b.RESOLVE, b.CORRECT]),
        ("reply_queued", [b.SNOOZE, b.ESCALATE, b.CORRECT, b.RELEASE]),
        (
            "reply_unsettled",
            [b.SENT, b.NOT_SENT, b.SNOOZE, b.ESCALATE, b.RESOLVE, b.CORRECT, b.RELEASE],
        ),
        ("waiting", [b.REPLY, b.RESOLVE, b.CORRECT]),
        ("answered", [b.REPLY, b.RESOLVE, b.CORRECT]),
        ("resolved", []),
        ("operations", [b.CLAIM, b.SNOOZE, b.ESCALATE, b.RESOLVE]),
    ],
)
def test_the_buttons_fit_the_state(name: str, buttons: list[str]) -> None:
    story = CARDS[name]
    assert pressable(card_of(story.case, story.texts, private=False)) == buttons


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("open", ["🕒 due", "*Holder*\\nnobody", "Waiting for somebody", "<!date^"]),
        ("claimed", ["@ana since <!date^", "🙋 Claimed", "1 of 2", "2 of 2"]),
        ("at_risk", ["⚠️ at risk"]),
        ("to_be_settled", ["*Deadline*\\n🕒 due", "> (resolution)"]),
        ("breached", ["🔴 breached", "📣 the next person is told"]),
        ("exhausted", ["everybody was told; again"]),
        ("snoozed", ["💤 Snoozed until", "the deadline keeps running"]),
        ("reply_queued", ["📤 Reply by @ana queued"]),
        ("reply_unsettled", ["❓ Nobody can tell", "It was not sent"]),
        ("waiting", ["💬 Reply delivered", "it is the author's turn"]),
        ("answered", ["✅ answered", "✅ Reply delivered, closes"]),
        ("resolved", ["☑️ Resolved by @ana: spam or abuse", "☑️ closed"]),
        ("operations", ["12", "careline dead-letters list", "not_json"]),
    ],
)
def test_each_state_is_said_in_words_and_signs(name: str, words: list[str]) -> None:
    shown = status_of(name)
    assert [word for word in words if word not in shown] == []


def test_a_card_says_who_what_how_why_and_where() -> None:
    shown = status_of("open")
    for word in (
        "@jane_doe on X", "My parcel never came", "🙁 negative", "❗ high · P2",
        "Why: asks a question; names a missing parcel", "About: delivery", "to @acme",
        "<https://x.com/jane_doe/status/1000001|Open on X>",
    ):  # fmt: skip
        assert word in shown


def test_each_deadline_of_a_card_says_why_it_is_when_it_is() -> None:
    story = CARDS["to_be_settled"]
    small = [
        block["elements"][0]["text"]
        for block in card_of(story.case, story.texts, private=False).blocks
        if block["type"] == "context"
    ]
    assert re.fullmatch(
        r"due <!date\^\d+\^\{time\}\|[^>]+> = first response 1 h for P2, business hours Berlin\n"
        r"due <!date\^\d+\^\{time\}\|[^>]+> = resolution 8 h for P2, 24x7",
        small[0],
    )
    assert "= first response 1 h for P2" in text_of(minimal_card(story.case, {}, private=False))


def test_the_reason_of_another_query_is_said_only_where_it_differs() -> None:
    story = Story(*(a_mention(number) for number in range(1, 4)))
    second = "next response 30 min for P2, 24x7, 12 min used"
    first, other, third = story.case.obligations
    other = replace(other, because=f"{second}, due 14:02 CET")
    view = card_of(replace(story.case, obligations=(first, other, third)), {}, private=False)
    assert text_of(view).count(f" = {second}") == 1
    assert text_of(view).count("first response 1 h for P2") == 1


def test_what_is_answered_or_closed_explains_no_deadline() -> None:
    for name in ("answered", "waiting", "resolved", "operations"):
        assert " = " not in status_of(name), name


def test_the_names_of_rules_and_calendars_are_words_and_do_nothing() -> None:
    for name in HOSTILE:
        because = f"first response 1 h for P2 by rule {name}, due 14:00 CET"
        story = Story(a_mention(1), a_mention(2)).obligations(because=because)
        story = story.to_be_settled(because=because)
        for made in (card_of, minimal_card):
            view = made(story.case, story.texts, private=False)
            assert faults_of(view.blocks) == ("", [])
            pings = count({"blocks": view.blocks, "text": view.text}, {"U0ANA"})
            assert pings["targets"] == []
            assert all(link.startswith("https://x.com/") for link in pings["links"])


def test_a_missed_resolution_is_what_the_card_is_titled_by() -> None:
    story = Story().to_be_settled(breached=True, warned=True)
    view = card_of(story.case, story.texts, private=False)
    assert view.blocks[0]["text"]["text"].startswith("🔴")
    assert "*Deadline*\\n🕒 due" in text_of(view)
    assert re.search(r"🔴 breached · was due <![^>]+> \(resolution\)", text_of(view))


def test_a_foreign_language_and_an_unsure_triage_are_said() -> None:
    story = Story(triage=a_triage(language="de", unsure=True))
    shown = text_of(card_of(story.case, story.texts, private=False))
    assert "Language: de" in shown
    assert "unsure whether it is a query" in shown


def test_only_a_link_to_the_network_itself_opens() -> None:
    story = Story(a_mention(url="https://x.com.evil.example/a"))
    view = card_of(story.case, story.texts, private=False)
    assert "evil" not in text_of(view)
    assert count({"blocks": view.blocks, "text": view.text}, set())["links"] == []


def test_fifty_queries_show_five_and_cover_five() -> None:
    story = Story(*(a_mention(number) for number in range(1, 51)))
    view = card_of(story.case, story.texts, private=False)
    assert len(view.covers) == SHOWN_MAX
    assert view.covers == tuple(one.mention_id for one in story.case.obligations[:SHOWN_MAX])
    assert "+45 more" in text_of(view)
    assert faults_of(view.blocks) == ("", [])


def test_a_press_carries_back_what_the_card_showed_and_nothing_later() -> None:
    story = Story(*(a_mention(number) for number in range(1, 4)))
    view = card_of(story.case, story.texts, private=False)
    row = next(block for block in view.blocks if block["type"] == "actions")
    assert length(row["block_id"]) <= 255
    pressed = b.read_press(row["elements"][0]["value"], row["block_id"])
    assert pressed is not None
    assert (pressed.case_id, pressed.version) == (story.case.case_id, 2)
    later = Story(*(a_mention(number) for number in range(1, 6))).case
    first_done = (
        replace(later.obligations[0], status=ObligationStatus.ANSWERED),
        *later.obligations[1:],
    )
    covers = pressed.covers(replace(later, obligations=first_done))
    assert covers == (story.case.obligations[1].mention_id, story.case.obligations[2].mention_id)


@pytest.mark.parametrize("value", ["", "x|1", "s07-0000000000000000-1", "s07-0000000000000000-1|x"])
def test_a_value_that_is_not_ours_reads_as_nothing(value: str) -> None:
    assert b.read_press(value, "v1:abc") is None


@pytest.mark.parametrize("made", [card_of, minimal_card])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_shown_and_do_nothing(made: Any, text: str) -> None:
    hostile = a_triage(reasons=(text, text), topics=(text,), language=text[:50] or "x")
    story = Story(a_mention(1, text, handle=text[:500] or "x"), a_mention(2, text), triage=hostile)
    view = made(story.case, story.texts, private=False)
    assert faults_of(view.blocks) == ("", [])
    pings = count({"blocks": view.blocks, "text": view.text}, {"U0ANA"})
    assert pings["targets"] == []
    assert all(link.startswith("https://x.com/") for link in pings["links"])
    json.dumps(view.blocks).encode()
    view.text.encode()


def test_generated_words_make_cards_that_slack_takes_and_that_ping_nobody() -> None:
    rng = random.Random(36)
    for _ in range(scaled(100, 100_000)):
        text = well_formed("".join(rng.choices(ALPHABET, k=rng.randint(1, 300))))
        hostile = a_triage(reasons=(text,), topics=(text,), language=text[:20])
        story = Story(a_mention(1, text, handle=text[:50]), triage=hostile)
        for made in (card_of, minimal_card):
            assert harm_of(made(story.case, story.texts, private=False)) == [], repr(text)


def test_a_huge_text_makes_a_shorter_card_and_not_a_refused_one() -> None:
    story = Story(*(a_mention(number, "\U0001f600" * 9000) for number in range(1, 6)))
    view = card_of(story.case, story.texts, private=False)
    assert faults_of(view.blocks) == ("", [])
    assert view.covers == tuple(one.mention_id for one in story.case.obligations)


@pytest.mark.parametrize("private", [True, False])
def test_words_of_a_direct_message_are_shown_in_a_private_channel_only(private: bool) -> None:  # noqa: FBT001
    story = Story(a_mention(1, SECRET_WORDS, visibility=Visibility.DIRECT, handle="shy_person"))
    for made in (card_of, minimal_card):
        view = made(story.case, story.texts, private=private)
        assert SECRET_WORDS not in view.text
        if not private:
            assert SECRET_WORDS not in text_of(view)
            assert "shy_person" not in text_of(view)
    shown = text_of(card_of(story.case, story.texts, private=private))
    assert (SECRET_WORDS in shown) is private
    assert ("not private" in shown) is not private


def test_words_that_are_no_longer_kept_are_said_to_be_gone() -> None:
    story = Story()
    view = card_of(story.case, {}, private=False)
    assert "no longer kept" in text_of(view)
    assert "author 77" in text_of(view)
    assert faults_of(view.blocks) == ("", [])


def test_words_that_their_author_has_deleted_are_not_shown() -> None:
    story = Story(a_mention(text="my address is 12 Elm Street")).obligations(
        status=ObligationStatus.CLOSED, disposition=Disposition.WITHDRAWN_BY_AUTHOR, settled_at=NOW
    )
    shown = text_of(card_of(story.case, story.texts, private=True))
    assert "The author has deleted this." in shown
    assert "Elm Street" not in shown


def test_an_unsettled_reply_asks_a_person() -> None:
    story = Story().replying(ReplyState.UNSETTLED)
    assert b.SENT in pressable(card_of(story.case, story.texts, private=False))
