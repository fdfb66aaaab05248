"""The rules of a brand as values: targets, leases, the reopen window and the ladder.

Promises: the defaults are those of the design (section 8); a policy is plain data, and every time
that follows from it is written into an event, so a later policy never changes the past.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from schemas.topics import DEFAULT_PARTITIONS
from schemas.triage import Priority

FIRST_RESPONSE: Final[Mapping[Priority, timedelta]] = MappingProxyType(
    {
        Priority.P1: timedelta(minutes=15),
        Priority.P2: timedelta(hours=1),
        Priority.P3: timedelta(hours=4),
        Priority.P4: timedelta(hours=24),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStep:
    """Who is told, and how long after the step before (the first: after the breach)."""

    name: str
    notify: str
    """A group of the configuration, such as ``backup`` or ``manager``."""
    after: timedelta


DEFAULT_LADDER: Final = (
    LadderStep(name="backup group", notify="backup", after=timedelta(0)),
    LadderStep(name="manager", notify="manager", after=timedelta(minutes=30)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One SLA policy with its ladder."""

    name: str = "default"
    first_response: Mapping[Priority, timedelta] = field(
        default_factory=lambda: dict(FIRST_RESPONSE)
    )
    at_risk_share: float = 0.75
    """The share of a target after which the holder is warned."""
    ladder: tuple[LadderStep, ...] = DEFAULT_LADDER
    repeat_every: timedelta = timedelta(hours=1)
    """How often the last step is told again once the ladder is exhausted."""
    lease: timedelta = timedelta(minutes=30)
    reply_valid_for: timedelta = timedelta(hours=1)
    follow_up: timedelta = timedelta(hours=72)
    reopen_window: timedelta = timedelta(hours=72)
    operations_review: timedelta = timedelta(hours=1)
    snooze_at_most: timedelta = timedelta(hours=24)
    partitions: int = DEFAULT_PARTITIONS
