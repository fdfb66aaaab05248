"""Cards kept up to date: edited in place whenever their case has changed.

Promise: a refresh leaves the ledger's list only when the card shows that version or can never show
it again; editing is idempotent, so an unknown outcome is simply done anew.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

import structlog

from careline.domain.case import Card, Case
from careline.runtime.clock import Clock
from responders.slack.client import SlackClient
from responders.slack.desk import CaseReader
from responders.slack.errors import Answer, Scope, SlackFailed
from responders.slack.rendering import show

_log = structlog.get_logger(__name__)

BATCH: Final = 100
_AT_ONCE: Final = 8
_AGAIN_S: Final = 2.0
_AGAIN_MAX_S: Final = 60.0


class RefreshList(Protocol):
    """The ledger's list of cards that show something old."""

    async def refreshes(self, shard: int, limit: int) -> list[tuple[str, int]]:
        """Return case ids with the version wanted."""
        ...

    async def refreshed(self, case_id: str, version: int) -> None:
        """Take a case off the list if nothing newer than this version is wanted."""
        ...


class Projection:
    """The cards of a workspace."""

    def __init__(
        self, client: SlackClient, ledger: CaseReader, wanted: RefreshList, clock: Clock
    ) -> None:
        """Remember where cards stand and what they show."""
        self._client = client
        self._ledger = ledger
        self._wanted = wanted
        self._clock = clock
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._later: dict[str, tuple[float, float]] = {}
        """Case id → when to try again, and how long was waited."""

    async def refresh_shard(self, shard: int) -> int:
        """Edit the cards of a shard that show something old; return how many were brought up."""
        now = self._clock.monotonic()
        waiting = await self._wanted.refreshes(shard, BATCH)
        ready = [one for one in waiting if self._later.get(one[0], (0.0, 0.0))[0] <= now]
        done = await asyncio.gather(*(self._refresh(case, version) for case, version in ready))
        return sum(done)

    async def _refresh(self, case_id: str, version: int) -> bool:
        async with self._turns:
            case = await self._ledger.read_case(case_id)
            if case is None or case.card is None:
                await self._wanted.refreshed(case_id, version)
                return False
            if case.version < version:
                return False  # the commit that wants it is read in the next pass
            try:
                await self._edit(case, case.card)
            except SlackFailed as error:
                if not self._is_hopeless(error, case_id):
                    return False
            self._later.pop(case_id, None)
            await self._wanted.refreshed(case_id, case.version)
            return True

    async def _edit(self, case: Case, card: Card) -> None:
        channel = await self._client.channel(card.channel)
        await show(
            case,
            self._ledger,
            channel,
            lambda view: self._client.update(
                channel.id, card.ts, text=view.text, blocks=view.blocks
            ),
        )

    def _is_hopeless(self, error: SlackFailed, case_id: str) -> bool:
        """Say whether the card can never be edited again; else remember to wait."""
        verdict = error.verdict
        if verdict.answer is Answer.REFUSED:
            # The alerts of the case still come: they do not need the card.
            _log.error("card cannot be edited any more", case=case_id, reason=verdict.reason)
            return True
        _, waited = self._later.get(case_id, (0.0, _AGAIN_S / 2))
        wait = verdict.retry_after or min(waited * 2, _AGAIN_MAX_S)
        self._later[case_id] = (self._clock.monotonic() + wait, wait)
        level = _log.error if verdict.scope is Scope.WORKSPACE else _log.warning
        level("card not edited, trying again", reason=verdict.reason, seconds=round(wait, 1))
        return False
