"""What became of one call to the outside world: five classes and no sixth (design section 6)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """A 2xx with its body: it stands on the far side."""

    channel: str
    """Where: a Slack channel, or empty on a network."""
    native_id: str
    """The message's ``ts``, or the network's id of the reply."""
    shown_version: int = 0
    """The case version that a card shows."""


@dataclass(frozen=True, slots=True)
class NotDone:
    """Definitely not done, such as 429: again after so many seconds."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Definitely not done and pointless to repeat: the person is told why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """Not done until somebody mends access: token revoked, channel archived, bot removed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can tell: timeout, cut connection, 408, 5xx, no JSON. Never repeated blindly."""

    reason: str


Report = Done | NotDone | Refused | Blocked | Unknown
