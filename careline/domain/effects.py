"""What an event asks of the outside world: intents of effects, and when they are done or pointless.

Promises: `effects_of` is pure and total over the events, so that the commit and a recovery derive
the same intents; an effect's id follows from its case or event, never from chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from careline.domain.case import Case

SLACK: Final = "slack"
NOTIFY: Final = "notify"
"""The ladder's second path, for when Slack is down: webhooks and mail."""
_SECOND_PATH: Final = ("webhook", "mail")
_NOTIFY_EFFECT: Final = "notify:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """An effect to be carried out by an executor, such as ``slack`` or ``x:acme``."""

    effect_id: str
    executor: str
    kind: str
    """``card`` | ``alert`` | ``reply`` | ``direct_message``."""
    case_id: str
    event_id: str
    """The event that asks for it; it must be in the log before the effect starts."""
    not_after: datetime | None = None
    subject: str = ""
    """Alerts: ``at_risk``, ``reminder``, ``step`` or ``reopened``; replies: the native id replied
    to."""
    notify: str = ""
    """Alerts: ``holder``, ``channel``, a group, or ``webhook…``, ``mail…``, ``bot…``."""
    fence: int = 0
    """Replies: the claim under which it was asked for."""
    about: str = ""
    """Alerts: the deadline that is near, as a mention id or ``resolution``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The effect has an outcome: its entry leaves."""

    effect_id: str
    executor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """The effect must not be attempted any more; the outcome of a past attempt still comes."""

    effect_id: str
    executor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """The case's card shows something older: edit it in place (idempotent, hence no effect)."""

    case_id: str
    version: int


Effect = Intent | Done | Cancel | Refresh


def card_effect(case_id: str) -> str:
    """Return the id of the effect that posts a case's card."""
    return f"card:{case_id}"


def alert_effect(event_id: str) -> str:
    """Return the id of the effect that tells an event in Slack."""
    return f"alert:{event_id}"


def notify_effect(event_id: str) -> str:
    """Return the id of the effect that tells an event on the ladder's second path."""
    return f"{_NOTIFY_EFFECT}{event_id}"


def is_second_path(notify: str) -> bool:
    """Whether a step is told by webhook or mail, beside the thread of the card."""
    return notify.startswith(_SECOND_PATH)


def teller_of(effect_id: str) -> str:
    """Return the executor that a card's or an alert's effect belongs to."""
    return NOTIFY if effect_id.startswith(_NOTIFY_EFFECT) else SLACK


def reply_effect(event_id: str) -> str:
    """Return the id of the effect that sends the reply which an event requests."""
    return f"reply:{event_id}"


def network_executor(case: Case) -> str:
    """Return the executor that speaks for a brand account, such as ``x:acme``."""
    return f"{case.network}:{case.account}"
