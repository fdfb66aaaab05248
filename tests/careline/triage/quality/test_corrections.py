"""What people made of triage, by the log alone: precision and recall for each label and week."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from careline.triage.quality.corrections import Corrections, Figure, exposition, figures
from schemas import commands as c
from schemas.triage import Sentiment, Urgency
from tests.careline.domain.test_overlooked import NO_QUERY, found
from tests.support.stories import START, Story, a_mention, a_triage, an_edit, an_own_post

WEEK = "2026-W45"


def read(*stories: Story) -> Corrections:
    taken = Corrections()
    for story in stories:
        for event in story.events:
            taken.take(event)
    return taken


def by_label(taken: Corrections) -> dict[str, Figure]:
    return {each.label: each for each in figures(taken.reviewed())}


def a_story(author: str, **triage: Any) -> Story:
    story = Story()
    story.hear(a_mention("100" + author, root="100" + author, author=author), a_triage(**triage))
    return story


def answered(author: str, **triage: Any) -> Story:
    story = a_story(author, **triage)
    mention = a_mention("100" + author, root="100" + author, author=author)
    story.brand_posts(an_own_post(mention), mention)
    return story


def corrected(story: Story, **facts: Any) -> Story:
    mention_id = story.current.obligations[0].mention_id
    story.command(c.CorrectTriage, **({"mention_id": mention_id, "query": True} | facts))
    return story


def test_what_nobody_has_dealt_with_counts_for_nothing() -> None:
    assert read(a_story("1")).reviewed() == []


def test_what_was_answered_was_rightly_a_query() -> None:
    figure = by_label(read(answered("1"), answered("2")))["query"]
    assert (figure.week, figure.said, figure.true, figure.right) == (WEEK, 2, 2, 2)
    assert (figure.precision, figure.recall, figure.corrected) == (1.0, 1.0, 0)


def test_what_was_no_query_costs_precision() -> None:
    wrong = corrected(a_story("1"), query=False)
    spam = a_story("2")
    spam.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=spam.open_ids())
    figure = by_label(read(wrong, spam, answered("3"), answered("4")))["query"]
    assert (figure.precision, figure.recall) == (0.5, 1.0)
    assert figure.corrected == 1


def test_a_closing_that_says_nothing_of_it_counts_for_nothing() -> None:
    story = a_story("1")
    nothing = c.Disposition.NO_ANSWER_NEEDED
    story.command(c.ResolveCase, disposition=nothing, covers=story.open_ids())
    assert read(story).reviewed() == []


def test_a_query_that_a_person_found_costs_recall() -> None:
    missed = Story()
    missed.hear(a_mention(), NO_QUERY)
    found(missed, a_mention(), urgency=Urgency.HIGH)
    rows = by_label(read(missed, answered("1")))
    assert (rows["query"].precision, rows["query"].recall) == (1.0, 0.5)
    assert "urgency:high" not in rows, "of a missed query the log does not say what triage said"
    (reviewed, _) = sorted(read(missed, answered("1")).reviewed(), key=lambda each: each.query_said)
    assert (reviewed.query, reviewed.urgency, reviewed.corrected) == (True, Urgency.HIGH, True)


def test_sentiment_and_urgency_are_right_until_somebody_says_otherwise() -> None:
    negative = {"sentiment": Sentiment.NEGATIVE, "urgency": Urgency.HIGH}
    wrong = corrected(
        answered("1", **negative), sentiment=Sentiment.POSITIVE, urgency=Urgency.NORMAL
    )
    rows = by_label(read(wrong, answered("2", **negative)))
    assert rows["sentiment:negative"].precision == 0.5
    assert rows["sentiment:negative"].recall == 1.0
    assert (rows["sentiment:positive"].precision, rows["sentiment:positive"].recall) == (None, 0.0)
    assert rows["urgency:high"].precision == 0.5
    assert (rows["urgency:normal"].said, rows["urgency:normal"].true) == (0, 1)


def test_of_what_is_no_query_only_what_was_said_counts() -> None:
    story = corrected(a_story("1"), query=False, sentiment=Sentiment.POSITIVE)
    rows = by_label(read(story))
    assert set(rows) == {"query", "sentiment:neutral", "sentiment:positive"}


def test_an_edit_is_judged_anew() -> None:
    mention = a_mention()
    story = Story()
    story.hear(mention, a_triage(sentiment=Sentiment.POSITIVE))
    corrected(story, sentiment=Sentiment.NEGATIVE)
    story.hear(an_edit(mention), a_triage(sentiment=Sentiment.NEUTRAL))
    assert read(story).reviewed() == []
    story.brand_posts(an_own_post(mention), mention)
    (row,) = read(story).reviewed()
    assert (row.sentiment_said, row.sentiment, row.corrected) == (Sentiment.NEUTRAL, None, False)


def test_a_correction_is_no_new_word_of_triage() -> None:
    story = corrected(a_story("1", urgency=Urgency.NORMAL), urgency=Urgency.CRITICAL)
    (row,) = read(story).reviewed()
    assert (row.urgency_said, row.urgency) == (Urgency.NORMAL, Urgency.CRITICAL)


def test_events_that_come_again_change_nothing() -> None:
    story = corrected(answered("1"), sentiment=Sentiment.POSITIVE)
    once, twice = read(story), read(story, story)
    assert figures(once.reviewed()) == figures(twice.reviewed())


def test_weeks_are_told_apart_and_old_ones_can_be_left_out() -> None:
    later = START + timedelta(days=8)
    story = Story()
    mention = a_mention("7", root="7", heard_at=later, created_at=later)
    story.now = later
    story.hear(mention)
    story.brand_posts(an_own_post(mention), mention)
    taken = read(answered("1"), story)
    assert [each.week for each in figures(taken.reviewed()) if each.label == "query"] == [
        WEEK,
        "2026-W46",
    ]
    assert [each.week for each in taken.reviewed(since=START + timedelta(days=1))] == ["2026-W46"]


def test_the_latest_week_is_shown_to_prometheus() -> None:
    text = exposition(figures(read(corrected(a_story("1"), query=False)).reviewed()))
    assert 'careline_triage_precision_ratio{label="query"} 0.0' in text
    assert 'careline_triage_recall_ratio{label="query"}' not in text, "nothing was one"
    assert 'careline_triage_corrected{label="query"} 1' in text
    assert exposition([]).count("# TYPE") == 3


def test_a_figure_is_a_document() -> None:
    figure = by_label(read(answered("1")))["query"]
    assert figure.document() == {
        "week": WEEK,
        "label": "query",
        "said": 1,
        "true": 1,
        "right": 1,
        "corrected": 0,
        "precision": 1.0,
        "recall": 1.0,
    }
