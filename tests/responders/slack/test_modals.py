"""Forms say who reads a reply, how long it may be and what it covers, and carry that with them."""

from __future__ import annotations

import json

import pytest
from slack_sdk.models.views import View

from careline.sandbox.slack.blocks import view_faults
from responders.slack.lengths import limit_of, weighted_length
from responders.slack.modals import (
    Memo,
    correct_modal,
    read_memo,
    reply_modal,
    resolve_modal,
    snooze_modal,
)
from schemas.mentions import Visibility
from tests.responders.slack.builders import (
    SECRET_WORDS,
    Story,
    a_mention,
    an_operations_story,
)

HOSTILE = "<!channel> https://evil.example " + "\u202e" + "x" * 70_000


def memo_of(story: Story, shown: int = 5) -> Memo:
    covers = tuple(one.mention_id for one in story.case.open_obligations[:shown])
    return Memo(
        case_id=story.case.case_id,
        version=2,
        covers=covers,
        network="x",
        direct=story.case.visibility is Visibility.DIRECT,
    )


def shown(view: View) -> str:
    return json.dumps(view.to_dict(), ensure_ascii=False)


def forms(story: Story, *, private: bool = False) -> tuple[View, ...]:
    memo = memo_of(story)
    return (
        reply_modal(story.case, story.texts, memo, private=private),
        resolve_modal(story.case, story.texts, memo, private=private),
        snooze_modal(story.case, memo),
    )


@pytest.mark.parametrize(
    "story",
    [
        Story(),
        Story(*(a_mention(number, HOSTILE) for number in range(1, 51))),
        Story().answered(),
        an_operations_story(),
    ],
    ids=["one", "fifty hostile", "answered", "operations"],
)
def test_every_form_is_one_that_slack_takes(story: Story) -> None:
    for view in forms(story):
        assert view_faults(view.to_dict()) == []
        memo = read_memo(view.private_metadata or "")
        assert memo == memo_of(story)


def test_a_reply_says_public_or_private_and_how_long_it_may_be() -> None:
    public = shown(forms(Story())[0])
    assert "*Public*: everybody on X" in public
    assert "up to 280 characters" in public
    direct = Story(a_mention(visibility=Visibility.DIRECT))
    private = shown(forms(direct, private=True)[0])
    assert "*Private*: only the author" in private
    assert "Send privately" in private


def test_a_form_says_what_it_covers_and_what_stays_open() -> None:
    story = Story(*(a_mention(number) for number in range(1, 8)))
    view = shown(reply_modal(story.case, story.texts, memo_of(story), private=False))
    assert "*5 queries*; 2 more stay open" in view


def test_a_direct_message_is_not_quoted_in_a_public_channel() -> None:
    story = Story(a_mention(1, SECRET_WORDS, visibility=Visibility.DIRECT))
    assert SECRET_WORDS not in shown(forms(story)[0])
    assert SECRET_WORDS in shown(forms(story, private=True)[0])


def test_a_settled_case_may_be_closed_as_answered_and_an_open_one_may_not() -> None:
    assert '"answered"' in shown(forms(Story().answered())[1])
    assert '"answered"' not in shown(forms(Story())[1])
    assert '"repaired"' in shown(forms(an_operations_story())[1])


def test_a_correction_asks_which_message_and_keeps_what_triage_said() -> None:
    story = Story(*(a_mention(number) for number in range(1, 4)))
    view = correct_modal(story.case, story.texts, memo_of(story), private=False)
    assert view_faults(view.to_dict()) == []
    assert "Message 3" in shown(view)
    assert shown(view).count('"initial_option"') == 4
    assert read_memo(view.private_metadata or "") == memo_of(story)


def test_a_correction_of_an_answered_case_is_about_its_last_message() -> None:
    story = Story(a_mention(1), a_mention(2)).answered()
    view = correct_modal(story.case, story.texts, memo_of(story), private=False)
    memo = read_memo(view.private_metadata or "")
    assert memo is not None
    assert memo.covers == (story.case.obligations[-1].mention_id,)
    assert "Message 1" not in shown(view)


def test_a_correction_of_a_direct_message_quotes_it_in_private_only() -> None:
    story = Story(a_mention(1, SECRET_WORDS, visibility=Visibility.DIRECT))
    memo = memo_of(story)
    assert SECRET_WORDS not in shown(correct_modal(story.case, story.texts, memo, private=False))
    assert SECRET_WORDS in shown(correct_modal(story.case, story.texts, memo, private=True))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"case_id":1}', "x" * 10])
def test_what_is_no_memo_reads_as_none(text: str) -> None:
    assert read_memo(text) is None


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("abc", 3),
        ("https://example.com/" + "a" * 300, 23),
        ("see https://a.b/c now", 4 + 23 + 4),
        ("日本", 4),
        ("👍🏽", 2),
        ("👨\u200d👩\u200d👧", 2),
    ],
)
def test_x_counts_by_weight(text: str, length: int) -> None:
    assert weighted_length(text) == length


def test_an_unknown_network_has_a_limit_too() -> None:
    assert limit_of("elsewhere", direct=False).count("x" * 10) == 10
