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
    """Alerts: ``at_risk``, ``breach`` or ``step``; replies: the native id replied to."""
    notify: str = ""


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


def reply_effect(event_id: str) -> str:
    """Return the id of the effect that sends the reply which an event requests."""
    return f"reply:{event_id}"


def network_executor(case: Case) -> str:
    """Return the executor that speaks for a brand account, such as ``x:acme``."""
    return f"{case.network}:{case.account}"
