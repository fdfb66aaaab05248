"""What a deadline is for, and how its time is counted: part of the events that set or move one.

Promise: a deadline travels with all that is needed to move it later, whatever has become of the
policy since.
"""

from __future__ import annotations

import enum
from datetime import timedelta

from schemas.base import UtcDatetime, Wire


class TargetKind(enum.StrEnum):
    """What a deadline is for."""

    FIRST_RESPONSE = "first_response"
    """The brand has not answered in this case yet."""
    NEXT_RESPONSE = "next_response"
    """The brand has answered once, and the author asks again."""
    RESOLUTION = "resolution"
    """The whole case: until every query is answered or closed."""


class Terms(Wire):
    """How the time of a deadline is counted; without terms: first response, around the clock."""

    target: TargetKind = TargetKind.FIRST_RESPONSE
    allowed: timedelta
    """How much time there is on the calendar."""
    calendar: str = ""
    """The calendar of the policy; an empty name is around the clock."""
    runs_from: UtcDatetime | None = None
    """Time runs from here on; None while it stands still without an end."""
    paused: bool = False
    """Whether `runs_from` is the end of a pause, which an early wake makes earlier."""
    used: timedelta = timedelta(0)
    """What was used before `runs_from`."""
    language: str = ""
    """What the policy looked at beside the priority, so that it can be asked again."""
    vip: bool = False
