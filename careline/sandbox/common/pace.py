"""How fast the stand-in servers let a client go: as the real services do, or without a limit.

Promise: in the `real` profile a client that ignores the published limits is refused with the real
headers; in `none` nothing is refused, but the same headers are present.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

UNPACED_LIMIT = 1_000_000


class Pace(StrEnum):
    """Which limits apply."""

    REAL = "real"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a fixed window: the numbers of the `x-rate-limit-*` headers."""

    limit: int
    remaining: int
    reset: int
    allowed: bool

    def headers(self) -> dict[str, str]:
        """Spell the quota as X does."""
        return {
            "x-rate-limit-limit": str(self.limit),
            "x-rate-limit-remaining": str(self.remaining),
            "x-rate-limit-reset": str(self.reset),
        }


class Windows:
    """Fixed windows per key, as X counts: the first call starts the window."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        """Start with no window open."""
        self._clock = clock
        self._open: dict[str, tuple[float, int]] = {}

    def take(self, key: str, *, limit: int, seconds: float) -> Quota:
        """Count one call under `key` and say whether it is allowed."""
        now = self._clock()
        ends, used = self._open.get(key, (now + seconds, 0))
        if now >= ends:
            ends, used = now + seconds, 0
        allowed = used < limit
        used += allowed
        self._open[key] = (ends, used)
        return Quota(limit, limit - used, math.ceil(ends), allowed)


class Buckets:
    """Token buckets per key, as Slack paces: a steady rate with a short burst."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with every bucket full."""
        self._clock = clock
        self._levels: dict[str, tuple[float, float]] = {}

    def wait_for(self, key: str, *, per_second: float, burst: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        now = self._clock()
        level, then = self._levels.get(key, (burst, now))
        level = min(burst, level + (now - then) * per_second)
        if level >= 1:
            self._levels[key] = (level - 1, now)
            return 0.0
        self._levels[key] = (level, now)
        return (1 - level) / per_second
