"""Slack's limits kept by ourselves: a lane for each channel and method, and pauses it asks for.

Promise: a lane never lets more through than its rate with a short burst; a lane that was told to
wait (429) waits, and only that lane; unpaced, only what Slack itself asks for is waited out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from careline.runtime.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast a lane is."""

    per_second: float
    burst: float


POSTS: Final = Rate(per_second=1.0, burst=2.0)
"""chat.postMessage, in one channel."""
TIER_3: Final = Rate(per_second=50 / 60, burst=10.0)
TIER_4: Final = Rate(per_second=100 / 60, burst=20.0)
_LANES_MAX: Final = 1000


@dataclass(slots=True)
class _Lane:
    level: float
    at: float
    held_until: float = 0.0


class Pace:
    """The lanes of one workspace."""

    def __init__(self, clock: Clock, *, paced: bool) -> None:
        """Start with every lane free."""
        self._clock = clock
        self._paced = paced
        self._lanes: dict[str, _Lane] = {}

    def wait_of(self, lane: str, rate: Rate) -> float:
        """Return the seconds until the lane lets the next one through; takes nothing."""
        found = self._lane(lane, rate)
        held = max(0.0, found.held_until - self._clock.monotonic())
        if not self._paced or found.level >= 1:
            return held
        return max(held, (1 - found.level) / rate.per_second)

    async def turn(self, lane: str, rate: Rate) -> None:
        """Wait for the lane, in the order of asking, then take one place."""
        while (found := self._lane(lane, rate)).held_until > (now := self._clock.monotonic()):
            await self._clock.sleep(found.held_until - now)
        if not self._paced:
            return
        found.level -= 1
        if found.level < 0:
            # The place is taken already, so whoever asks next waits behind this one.
            await self._clock.sleep(-found.level / rate.per_second)

    def hold(self, lane: str, rate: Rate, seconds: float) -> None:
        """Let nothing through the lane for so long: Slack asked for it."""
        found = self._lane(lane, rate)
        found.held_until = max(found.held_until, self._clock.monotonic() + seconds)

    def _lane(self, name: str, rate: Rate) -> _Lane:
        now = self._clock.monotonic()
        found = self._lanes.get(name)
        if found is None:
            if len(self._lanes) >= _LANES_MAX:
                self._lanes.clear()
            found = self._lanes[name] = _Lane(level=rate.burst, at=now)
        found.level = min(rate.burst, found.level + (now - found.at) * rate.per_second)
        found.at = now
        return found
