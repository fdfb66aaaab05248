"""The SLA clock: when an answer to a query is due, and why.

Promises: time runs from ``heard_at``, stamped once by the connector, so a replay finds the same
deadline; every deadline says how it was found. The targets are the policy's first-response
durations by priority (design section 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from careline.domain.policy import Policy
from schemas.triage import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The warning time and the deadline of one query, with their derivation in words."""

    at_risk_at: datetime
    due_at: datetime
    because: str


@lru_cache(maxsize=256)
def _because(priority: Priority, duration: timedelta, policy: str) -> str:
    return f"first response {_words(duration)} for {priority}, policy {policy}"


def _words(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)} {unit}"
    return f"{seconds:g} s"


def first_response(priority: Priority, *, since: datetime, policy: Policy) -> Target:
    """Return the first-response target of a query that was heard at ``since``."""
    duration = policy.first_response[priority]
    return Target(
        at_risk_at=since + duration * policy.at_risk_share,
        due_at=since + duration,
        because=_because(priority, duration, policy.name),
    )
