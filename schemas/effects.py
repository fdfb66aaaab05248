"""What was sent or shown, and what became of it: events of ``cases.events.v1``.

Promise: an effect is named by its id and by what the outside world calls it, never by its words.
"""

from __future__ import annotations

from typing import Literal

from schemas.base import UtcDatetime
from schemas.stamped import Stamped


class ReplyRequested(Stamped):
    """A reply is to be sent; its text stands in the ledger under ``effect_id``."""

    type: Literal["reply.requested"] = "reply.requested"
    effect_id: str
    covers: tuple[str, ...]
    in_reply_to: str
    text_sha256: str
    not_after: UtcDatetime
    expects_answer: bool
    fence: int = 0
    """The claim under which it was asked for: once somebody else holds the case it is not sent."""


class ReplyDelivered(Stamped):
    """The network has the reply."""

    type: Literal["reply.delivered"] = "reply.delivered"
    effect_id: str
    native_id: str
    lease_until: UtcDatetime | None = None
    """If somebody holds the case: its lease runs again, until then."""
    remind_at: UtcDatetime | None = None


class ReplyDropped(Stamped):
    """A reply was not sent: refused, late, or what it covers changed. The queries stay open."""

    type: Literal["reply.dropped"] = "reply.dropped"
    effect_id: str
    reason: str
    lease_until: UtcDatetime | None = None
    """If somebody holds the case: its lease runs again, until then."""
    remind_at: UtcDatetime | None = None


class ReplyUnsettled(Stamped):
    """Nobody can tell whether a reply was sent; a person must settle it."""

    type: Literal["reply.unsettled"] = "reply.unsettled"
    effect_id: str
    reason: str
    lease_until: UtcDatetime | None = None
    """If somebody holds the case: its lease runs again, until then."""
    remind_at: UtcDatetime | None = None


class CardPosted(Stamped):
    """The case's card stands in a channel."""

    type: Literal["card.posted"] = "card.posted"
    effect_id: str
    channel: str
    ts: str
    shown_version: int


class AlertPosted(Stamped):
    """A warning or escalation was told."""

    type: Literal["alert.posted"] = "alert.posted"
    effect_id: str
    channel: str
    ts: str


class EffectFailed(Stamped):
    """A card or alert was refused or dropped; the case stays live and the ladder goes on."""

    type: Literal["effect.failed"] = "effect.failed"
    effect_id: str
    reason: str
