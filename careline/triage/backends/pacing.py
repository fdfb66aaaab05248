"""What keeps an endpoint from being asked too much: a budget, a pause after failures, a memory.

Promise: pure bookkeeping, given the time; memory is bounded. A budget is over any 60 seconds, not
per clock minute; a pause grows with each failure after it and ends with the first success.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_MINUTE_S: Final = 60.0
_FAILURES: Final = 3
_PAUSE_S: Final = 15.0
_PAUSE_MOST_S: Final = 600.0
_KEPT: Final = 10_000


class Budget:
    """So many questions in any minute."""

    def __init__(self, per_minute: int) -> None:
        """Allow none at all with 0."""
        self._per_minute = per_minute
        self._asked: deque[float] = deque()

    def take(self, now: float) -> bool:
        """Take one question out of the budget; return whether there was one."""
        while self._asked and self._asked[0] <= now - _MINUTE_S:
            self._asked.popleft()
        if len(self._asked) >= self._per_minute:
            return False
        self._asked.append(now)
        return True


class Breaker:
    """Stops asking after failures in a row, for a while that grows."""

    def __init__(self) -> None:
        """Begin with asking."""
        self._failures = 0
        self._until = 0.0

    def allows(self, now: float) -> bool:
        """Tell whether one may ask now."""
        return now >= self._until

    def succeeded(self) -> None:
        """Go on asking."""
        self._failures = 0
        self._until = 0.0

    def failed(self, now: float, *, retry_after: float | None = None) -> None:
        """Count a failure; the other side's own wish to be left alone counts at once."""
        self._failures += 1
        pause = retry_after or 0.0
        if self._failures >= _FAILURES:
            pause = max(pause, _PAUSE_S * 2 ** min(self._failures - _FAILURES, 10))
        if pause:
            self._until = max(self._until, now + min(pause, _PAUSE_MOST_S))


class Memory(Generic[T]):
    """The answers of late, by a key; the oldest goes first."""

    def __init__(self, most: int = _KEPT) -> None:
        """Keep at most so many."""
        self._most = most
        self._known: OrderedDict[str, T] = OrderedDict()

    def get(self, key: str) -> T | None:
        """Return what is known under a key."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def put(self, key: str, value: T) -> None:
        """Keep an answer."""
        self._known[key] = value
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._known)
