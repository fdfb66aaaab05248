"""Doing something until it goes through: for what may only be unavailable for now.

Promise: an error that says "later" (`RetryableError`, or of the network) is waited out with pauses
that double up to a bound; any other goes to the caller at once. A cancellation is never held back.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from careline.runtime.errors import RetryableError

T = TypeVar("T")
LATER: Final = (RetryableError, OSError)  # TimeoutError is an OSError
_FIRST_S: Final = 0.1
_LONGEST_S: Final = 5.0

_log = structlog.get_logger(__name__)


class Pauses:
    """Pauses that double up to a bound, with jitter, so that workers do not come back in step."""

    def __init__(self) -> None:
        """Begin with the shortest."""
        self._next = _FIRST_S

    async def next(self, at_least: float | None = None) -> None:
        """Wait, at least as long as the other side asked for."""
        pause = max(at_least or 0.0, self._next * (0.5 + random.random() / 2))  # noqa: S311
        self._next = min(self._next * 2, _LONGEST_S)
        await asyncio.sleep(pause)


async def insist(call: Callable[[], Awaitable[T]], *, what: str) -> T:
    """Return what the call returns, however long it takes until it goes through."""
    pauses = Pauses()
    while True:
        try:
            return await call()
        except LATER as error:
            _log.warning("waiting", what=what, error=type(error).__name__, why=str(error))
            await pauses.next(getattr(error, "retry_after", None))


def described(error: BaseException) -> str:
    """Return what went wrong and where, never the error's words: they may quote a customer's."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
