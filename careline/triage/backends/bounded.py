"""Runs somebody's library in a thread, within a bound of time.

Promise: a call gives the result, or None if it failed or took too long; Python cannot stop a thread
that hangs, so there is one at most: while it hangs nothing more is handed to it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")
R = TypeVar("R")
_log = structlog.get_logger(__name__)


class Bounded(Generic[T, R]):
    """One function with a bound; for one caller at a time."""

    def __init__(self, name: str, work: Callable[[T], R], *, within: float) -> None:
        """Give each call so many seconds."""
        self.name = name
        self.given_up = 0
        """How many calls took too long, or were not begun because one still did."""
        self._work = work
        self._within = within
        self._busy = False

    def __call__(self, given: T) -> R | None:
        """Return what the function returns, or None."""
        if self._busy:
            self.given_up += 1
            return None
        answer: queue.SimpleQueue[R | None] = queue.SimpleQueue()
        self._busy = True
        threading.Thread(
            target=self._run, args=(given, answer), name=self.name, daemon=True
        ).start()
        try:
            return answer.get(timeout=self._within)
        except queue.Empty:
            self.given_up += 1
            _log.warning("a triage backend took too long", backend=self.name)
            return None

    def _run(self, given: T, answer: queue.SimpleQueue[R | None]) -> None:
        found: R | None = None
        try:
            found = self._work(given)
        except Exception as error:  # noqa: BLE001 - its words may quote a customer
            _log.warning("a triage backend failed", backend=self.name, error=type(error).__name__)
        finally:
            self._busy = False
            answer.put(found)
