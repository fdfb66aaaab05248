"""Removes second copies: the one thing left when a message lands later than anybody waits.

Promise: of several messages of one effect all but one are deleted: the one that the case knows as
its card, else the oldest. It reads only where and while there is reason to suspect a copy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import structlog

from careline.runtime.clock import Clock
from careline.runtime.errors import RetryableError
from responders.slack.client import Message, SlackClient
from responders.slack.desk import CaseReader
from responders.slack.errors import SlackFailed

LOOK_BACK_S: Final = 120.0
_ROUNDS: Final = 10
"""For so many landing times after the last suspicion a place is looked at."""
_CARD: Final = "card:"
_log = structlog.get_logger(__name__)


class Sweeper:
    """Keeps channels and threads free of second copies."""

    def __init__(
        self, client: SlackClient, ledger: CaseReader, clock: Clock, *, landing: float
    ) -> None:
        """Suspect nothing yet."""
        self._client = client
        self._ledger = ledger
        self._clock = clock
        self._every = max(landing, 0.05)
        self._suspects: dict[tuple[str, str], tuple[float, float]] = {}
        """Channel and thread → when first and last suspected, in epoch seconds."""

    def suspect(self, channel: str, thread_ts: str = "") -> None:
        """Look here for a while: a call ended without an answer."""
        now = self._clock.now().timestamp()
        for place in {(channel, ""), (channel, thread_ts)}:
            first, _ = self._suspects.get(place, (now, now))
            self._suspects[place] = (first, now)

    async def run(self) -> None:
        """Sweep where there is reason to, for ever."""
        while True:
            await self._clock.sleep(self._every)
            try:
                await self.sweep()
            except (SlackFailed, RetryableError) as error:
                _log.info("sweep put off", code=error.code)

    async def sweep(self) -> int:
        """Sweep every suspected place once; return how many copies were deleted."""
        swept = 0
        now = self._clock.now().timestamp()
        for place, (first, last) in list(self._suspects.items()):
            swept += await self.sweep_place(*place, since=first - LOOK_BACK_S)
            if now - last > self._every * _ROUNDS and self._suspects.get(place) == (first, last):
                del self._suspects[place]
        return swept

    async def sweep_place(self, channel: str, thread_ts: str, *, since: float) -> int:
        """Delete the second copies in a channel or thread; return how many there were."""
        copies: defaultdict[str, dict[str, Message]] = defaultdict(dict)
        async for message in self._client.ours(channel, oldest=since, thread_ts=thread_ts):
            copies[message.key][message.ts] = message
        swept = 0
        for key, found in copies.items():
            if not key or len(found) == 1:
                continue
            keep = await self._keep(key, found.values())
            for ts in found.keys() - {keep} if keep else ():
                await self._client.delete(channel, ts)
                _log.warning("second copy of a message deleted", effect=key)
                swept += 1
        return swept

    async def _keep(self, key: str, found: Iterable[Message]) -> str:
        """Return the ts of the copy that stays; "" if that cannot be said yet."""
        by_ts = {message.ts: message for message in found}
        if not key.startswith(_CARD):
            return min(by_ts)
        case = await self._ledger.read_case(next(iter(by_ts.values())).case_id)
        if case is None or case.card is None:
            return ""
        return case.card.ts if case.card.ts in by_ts else ""
