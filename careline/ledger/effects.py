"""The effects of one executor: what is due, and the right to attempt it.

Promises: an attempt is recorded before the call it stands for, and refused once the effect was
cancelled, is too late, is not in the log yet, or is somebody else's for the moment. An entry leaves
only in the commit of its outcome.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Container
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from careline.domain.effects import Intent
from careline.ledger.commits import intent_of
from careline.ledger.store import Ledger, from_ms, key
from schemas.identity import shard_of_case

_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEffect:
    """An effect without an outcome, as the ledger knows it."""

    shard: int
    intent: Intent
    attempts: int
    attempted_at: datetime | None
    unknown: bool
    """An attempt was recorded and nobody knows what became of it: look before anything else."""
    cancelled: str
    asked_at: datetime
    """When it was first asked for: nothing of it can stand anywhere from before."""
    now: datetime
    """The ledger's time when it was read."""

    @property
    def effect_id(self) -> str:
        """The id of the effect."""
        return self.intent.effect_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The right to make one call now."""

    number: int
    at: datetime
    call_by: float = math.inf
    """Until when the call may begin, by the executor's monotonic clock (s): whoever slept longer
    does not know any more whether it is still wanted."""


@dataclass(frozen=True, slots=True)
class NotNow:
    """Why no call may be made now."""

    reason: str
    """``gone``, ``not_due``, ``unknown``, ``cancelled``, ``too_late`` or ``not_in_log``."""
    detail: str = ""


class Effects:
    """The effects of an executor, such as ``slack`` or ``x:acme``, in all shards."""

    def __init__(self, ledger: Ledger, executor: str) -> None:
        """Speak for one executor."""
        self.executor = executor
        self._ledger = ledger

    async def due(
        self, shard: int, limit: int = 100, *, without: Container[str] = ()
    ) -> list[PendingEffect]:
        """Return the effects to be looked at now, the longest due first. Raises ``Fenced``.

        Those of ``without`` are in somebody's hand already and not even parsed. One that cannot be
        read holds up no other: the auditor puts it in front of a person.
        """
        _, micros, *found = await self._ledger.script("effects", shard, "", self.executor, limit)
        now = from_ms(int(micros) / _MS)
        pending = []
        for name, raw in zip(found[::2], found[1::2], strict=True):
            if raw and name.decode() not in without:
                with contextlib.suppress(ValueError):
                    pending.append(pending_of(shard, raw, now))
        return pending

    async def attempt(self, pending: PendingEffect, *, hold: float) -> Attempt | NotNow:
        """Record an attempt: the call must follow within 2 s, and others wait for ``hold`` s."""
        answer = await self._ledger.script(
            "attempt", pending.shard, "", self.executor, pending.effect_id, int(hold * _MS)
        )
        if answer[0] == b"no":
            _, reason, *detail = (part.decode() for part in answer)
            return NotNow(reason, detail[0] if detail else "")
        number, at = answer
        return Attempt(number=int(number), at=from_ms(int(at)))

    async def defer(self, pending: PendingEffect, seconds: float, *, attempts: int) -> None:
        """Take over that so many attempts were definitely not done; another may follow later.

        If somebody has made one more meanwhile, nothing changes.
        """
        await self._hold(pending, seconds, attempts=str(attempts))

    async def hold(self, pending: PendingEffect, seconds: float) -> None:
        """Look at the effect again later; what is known of it stays as it is."""
        await self._hold(pending, seconds, attempts="")

    async def _hold(self, pending: PendingEffect, seconds: float, *, attempts: str) -> None:
        await self._ledger.script(
            "hold",
            pending.shard,
            "",
            self.executor,
            pending.effect_id,
            int(max(seconds, 0.0) * _MS),
            attempts,
        )

    async def refreshes(self, shard: int, limit: int = 100) -> list[tuple[str, int]]:
        """Return cards that show something old: case id and the version wanted."""
        asked = self._ledger.client.zrange(key(shard, "refresh"), 0, limit - 1, withscores=True)
        found = await self._ledger.asked(cast("Awaitable[list[tuple[bytes, float]]]", asked))
        return [(case.decode(), int(version)) for case, version in found]

    async def refreshed(self, case_id: str, version: int) -> None:
        """Take over that the card shows this version; a later wish stays."""
        shard = shard_of_case(case_id)
        if shard is not None:
            await self._ledger.script("refresh_done", shard, "", case_id, version)


def pending_of(shard: int, raw: bytes, now: datetime) -> PendingEffect:
    """Return the effect of a record. Raises ValueError: it can only be rebuilt from the log."""
    facts, _, intent = raw.partition(b"\n")
    attempts, attempted_at, unknown, _, _, asked_at, cancelled = facts.decode().split("|", 6)
    return PendingEffect(
        shard=shard,
        intent=intent_of(intent),
        attempts=int(attempts),
        attempted_at=from_ms(int(attempted_at)) if attempted_at else None,
        unknown=unknown == "1",
        cancelled=cancelled,
        asked_at=from_ms(int(asked_at)),
        now=now,
    )
