"""Cases, mentions and events for the tests of the Slack responder, each a value with defaults."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from careline.domain.case import (
    Card,
    Case,
    CaseStatus,
    Claim,
    Ladder,
    Obligation,
    ObligationStatus,
    ReplyInFlight,
    ReplyState,
    Resolution,
)
from careline.domain.operations import operations_case
from responders.slack.config import SlackConfig
from schemas.commands import Actor, ActorKind, Disposition
from schemas.events import CaseKind
from schemas.identity import case_id, line_key
from schemas.mentions import AuthorRef, ConversationRef, MentionReceived, Visibility
from schemas.targets import TargetKind, Terms
from schemas.triage import MentionTriaged, Priority, Sentiment, Triage, Urgency

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
PARTITIONS = 16
ANA = Actor(kind=ActorKind.AGENT, id="slack:U0ANA", name="ana")
BEN = Actor(kind=ActorKind.AGENT, id="slack:U0BEN", name="ben")
SECRET_WORDS = "my card number is 4929 1234"


def a_mention(
    number: int = 1, text: str = "My parcel never came. Where is it?", **changes: Any
) -> MentionReceived:
    at = changes.pop("at", NOW) + timedelta(seconds=number)
    fields: dict[str, Any] = {
        "account": "acme",
        "native_id": str(1_000_000 + number),
        "conversation": ConversationRef(
            network="x", root="1000001", visibility=changes.pop("visibility", Visibility.PUBLIC)
        ),
        "heard_at": at,
        "author": AuthorRef(id="77", handle=changes.pop("handle", "jane_doe"), name="Jane"),
        "text": text,
        "created_at": at,
        "url": f"https://x.com/jane_doe/status/{1_000_000 + number}",
    }
    return MentionReceived(**{**fields, **changes})


def a_triage(**changes: Any) -> Triage:
    fields: dict[str, Any] = {
        "query": True,
        "sentiment": Sentiment.NEGATIVE,
        "urgency": Urgency.HIGH,
        "language": "en",
        "topics": ("delivery",),
        "reasons": ("asks a question", "names a missing parcel"),
        "model": "rules",
    }
    return Triage(**{**fields, **changes})


def an_obligation(mention: MentionReceived, **changes: Any) -> Obligation:
    fields: dict[str, Any] = {
        "mention_id": mention.mention_id,
        "revision": mention.revision,
        "order": mention.order,
        "priority": Priority.P2,
        "sentiment": Sentiment.NEGATIVE,
        "urgency": Urgency.HIGH,
        "heard_at": mention.heard_at,
        "created_at": mention.created_at,
        "at_risk_at": mention.heard_at + timedelta(minutes=45),
        "due_at": mention.heard_at + timedelta(hours=1),
        "because": "first response 1 h for P2, business hours Berlin, due 14:00 CET",
    }
    return Obligation(**{**fields, **changes})


class Story:
    """A case with what its author wrote."""

    def __init__(self, *mentions: MentionReceived, triage: Triage | None = None) -> None:
        heard = mentions or (a_mention(),)
        first = heard[0]
        line = line_key("x", "acme", first.conversation.root, first.author.id)
        self.texts = {
            each.mention_id: MentionTriaged(heard=each, triage=triage or a_triage())
            for each in heard
        }
        self.case = Case(
            case_id=case_id(line, 1, conversation=first.conversation.key, partitions=PARTITIONS),
            kind=CaseKind.CARE,
            network="x",
            account="acme",
            root=first.conversation.root,
            visibility=first.conversation.visibility,
            author_id=first.author.id,
            line=line,
            episode=1,
            queue=f"acme:{first.conversation.visibility}",
            opened_at=first.heard_at,
            version=2,
            last_event_id="e2",
            last_event_at=first.heard_at,
            status=CaseStatus.OPEN,
            obligations=tuple(an_obligation(each) for each in heard),
            card=Card(channel="C0CARE0001", ts="1.000001", shown_version=2),
        )

    def but(self, **changes: Any) -> Story:
        self.case = replace(self.case, **changes)
        return self

    def obligations(self, **changes: Any) -> Story:
        changed = tuple(replace(one, **changes) for one in self.case.obligations)
        return self.but(obligations=changed)

    def to_be_settled(self, **changes: Any) -> Story:
        """Give the whole case a deadline of its own."""
        fields: dict[str, Any] = {
            "priority": Priority.P2,
            "heard_at": NOW,
            "at_risk_at": NOW + timedelta(hours=6),
            "due_at": NOW + timedelta(hours=8),
            "because": "resolution 8 h for P2, 24x7, due 21:00 CET",
            "terms": Terms(target=TargetKind.RESOLUTION, allowed=timedelta(hours=8)),
        }
        return self.but(resolution=Resolution(**{**fields, **changes}))

    def claimed(self, by: Actor = ANA) -> Story:
        claim = Claim(holder=by, fence=1, since=NOW, lease_until=NOW + timedelta(minutes=30))
        return self.but(status=CaseStatus.CLAIMED, claim=claim, claims=1)

    def replying(self, state: ReplyState = ReplyState.REQUESTED) -> Story:
        covers = tuple(one.mention_id for one in self.case.open_obligations)
        return self.claimed().but(
            reply=ReplyInFlight(
                effect_id="reply:e3",
                covers=covers,
                text_sha256="0" * 64,
                requested_at=NOW,
                expects_answer=False,
                not_after=NOW + timedelta(hours=1),
                actor=ANA,
                state=state,
            )
        )

    def answered(self, status: CaseStatus = CaseStatus.ANSWERED) -> Story:
        return self.obligations(status=ObligationStatus.ANSWERED, settled_at=NOW).but(
            status=status, claim=None, delivered=("9",), follow_up_at=NOW + timedelta(hours=72)
        )

    def resolved(self) -> Story:
        return self.obligations(
            status=ObligationStatus.CLOSED, disposition=Disposition.SPAM, settled_at=NOW
        ).but(
            status=CaseStatus.RESOLVED,
            resolved_at=NOW,
            resolved_by=ANA,
            disposition=Disposition.SPAM,
        )


def states() -> dict[str, Story]:
    """Every state that a card can show."""
    two = (a_mention(1), a_mention(2, "And I was charged twice!"))
    ladder = Ladder(next_step=1, next_step_at=NOW + timedelta(minutes=30))
    exhausted = replace(ladder, exhausted=True)
    return {
        "new": Story().but(status=CaseStatus.NEW, card=None),
        "open": Story(),
        "claimed": Story(*two).claimed(),
        "at_risk": Story().obligations(warned=True),
        "to_be_settled": Story().to_be_settled(),
        "breached": Story(*two).obligations(warned=True, breached=True).but(ladder=ladder),
        "exhausted": Story().obligations(warned=True, breached=True).but(ladder=exhausted),
        "snoozed": Story().but(status=CaseStatus.SNOOZED, snoozed_until=NOW + timedelta(hours=1)),
        "reply_queued": Story().replying(),
        "reply_unsettled": Story().replying(ReplyState.UNSETTLED),
        "waiting": Story().answered(CaseStatus.WAITING),
        "answered": Story().answered(),
        "resolved": Story().resolved(),
        "operations": an_operations_story(),
    }


def an_operations_story() -> Story:
    story = Story()
    case = operations_case("mentions.received.v1", "not_json", NOW, partitions=PARTITIONS)
    return story.but(
        case_id=case,
        kind=CaseKind.OPERATIONS,
        network="ops",
        account="careline",
        queue="ops",
        obligations=(),
        subject="mentions.received.v1: not_json",
        count=12,
        review_at=NOW + timedelta(hours=1),
    )


def a_config(**changes: Any) -> SlackConfig:
    fields: dict[str, Any] = {
        "bot_token": SecretStr("xoxb-sandbox"),
        "app_token": SecretStr("xapp-sandbox"),
        "kafka": "127.0.0.1:1",
        "redis": SecretStr("redis://127.0.0.1:1/0"),
        "channels": {"acme:public": "care", "acme:direct": "care-dm", "ops": "ops"},
        "paced": False,
        "connections": 1,
        "request_timeout": 2.0,
        "landing": 0.5,
    }
    return SlackConfig(**{**fields, **changes})
