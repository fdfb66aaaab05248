"""What tests of single events share: a story to ask, and an event without its stamp."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from careline.domain.policy import Policy
from schemas import commands as c
from schemas import events as e
from schemas.triage import Sentiment
from tests.support.stories import (
    Story,
    a_mention,
    a_triage,
)

HOUR = timedelta(hours=1)
MENTION = "x:acme:100"
STAMP = {"event_id", "case_id", "version", "cause_id", "cause_digest", "index", "at", "actor"}
AUTHOR = c.Actor(kind=c.ActorKind.AUTHOR, id="7")
BRAND = c.Actor(kind=c.ActorKind.BRAND, id="acme")


def a_story(policy: Policy | None = None) -> Story:
    story = Story(policy)
    story.hear(a_mention(), a_triage(sentiment=Sentiment.NEGATIVE))
    return story


def facts(event: e.CaseEvent) -> dict[str, Any]:
    return event.model_dump(exclude=STAMP)


def last(story: Story) -> dict[str, Any]:
    return facts(story.events[-1])


def order(story: Story) -> tuple[str, str]:
    return story.current.obligations[0].order


def reply_id(story: Story) -> str:
    assert story.current.reply is not None
    return story.current.reply.effect_id
