"""What triage says of a mention, and the record of ``mentions.triaged.v1`` that carries it.

Promises: exactly one triaged record for each received one, in order, with the source offset in a
header. A triage that failed says so (``failed``) and is treated as urgent; one that is merely
unsure is a query of low priority.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from schemas.base import Text, Wire
from schemas.mentions import HeardRecord


class Sentiment(enum.StrEnum):
    """How the author feels."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


class Urgency(enum.StrEnum):
    """How soon harm comes of waiting."""

    NONE = "none"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class Priority(enum.StrEnum):
    """The order of our queue, derived from triage; P1 first."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


_PRIORITY: Final[Mapping[Urgency, Priority]] = {
    Urgency.CRITICAL: Priority.P1,
    Urgency.HIGH: Priority.P2,
    Urgency.NORMAL: Priority.P3,
    Urgency.NONE: Priority.P4,
}


class Triage(Wire):
    """Query or not, sentiment, urgency, language, topics, each with its reasons."""

    query: bool
    unsure: bool = False
    """Triage could not tell whether this is a query; it then counts as one, of priority P4."""
    failed: bool = False
    """Triage itself broke: nothing is known, so it is a query of priority P2."""
    sentiment: Sentiment = Sentiment.NEUTRAL
    urgency: Urgency = Urgency.NORMAL
    language: str = "und"
    topics: tuple[str, ...] = ()
    reasons: tuple[Text, ...] = ()
    """Short, in words for an agent; they name rules and evidence, they never quote the whole text.
    """
    confidence: float = 0.0
    model: str

    @property
    def priority(self) -> Priority:
        """The default priority (design section 8)."""
        if self.failed:
            return Priority.P2
        if self.unsure:
            return Priority.P4
        return _PRIORITY[self.urgency]


def failed_triage(reason: str) -> Triage:
    """Return the triage of a mention whose triage broke: unknown, treated as urgent."""
    return Triage(
        query=True,
        failed=True,
        urgency=Urgency.HIGH,
        reasons=(f"triage failed: {reason}",),
        model="none",
    )


class MentionTriaged(Wire):
    """A heard record with its triage; records that are no customer's message carry none."""

    kind: Literal["triaged"] = "triaged"
    heard: HeardRecord
    triage: Triage | None = None


class RecordSkipped(Wire):
    """Stands for a received record that nothing could read: the order is kept."""

    kind: Literal["skipped"] = "skipped"
    reason: str
    topic: str
    partition: int
    offset: int


TriagedRecord = Annotated[MentionTriaged | RecordSkipped, Field(discriminator="kind")]
TRIAGED: TypeAdapter[TriagedRecord] = TypeAdapter(TriagedRecord)
"""Reads the body of a record of ``mentions.triaged.v1``."""
