"""The proof that the log alone tells what the ledger holds: a shard rebuilt beside it, compared.

Promises: the ledger is only read and nothing is sent anywhere; the rebuild stands in a scratch of
its own. What still moves is looked at again: only what differs each time is a difference. Inputs
are not decided here: what they led to must stand in the log.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from careline.domain.policy import Policy
from careline.ledger.apply import Applier
from careline.ledger.contents import contents_of, differences
from careline.ledger.recovery import absorb, replay_input, set_epoch
from careline.ledger.store import Ledger, from_ms
from careline.ledger.sweeping import time_of
from careline.runtime.clock import Clock, SystemClock
from careline.runtime.kafka import LogReader, Record
from schemas.commands import Command
from schemas.envelope import Packed, pack
from schemas.topics import CASES_COMMANDS, CASES_EVENTS, MENTIONS_RECEIVED, MENTIONS_TRIAGED
from schemas.triage import RecordSkipped

_LOOKS: Final = 4
_PAUSE_S: Final = 1.0
_ALL: Final = sys.maxsize
_TOKEN: Final = "recovering:verify"  # noqa: S105 - a word of the epoch


class Verifier:
    """Rebuilds shards into a scratch and compares them."""

    def __init__(
        self,
        live: Ledger,
        scratch: Ledger,
        *,
        reader: LogReader,
        policy: Policy,
        clock: Clock | None = None,
    ) -> None:
        """``scratch`` must be empty and of nobody else."""
        self._live = live
        self._scratch = scratch
        self._reader = reader
        self._clock = clock or SystemClock()
        self._applier = Applier(
            scratch,
            policy=policy,
            quarantine=_Nobody(),
            forward=_nowhere,
            missed=_skipped,
        )

    async def verify(self, shard: int) -> list[str]:
        """Return in what the ledger differs from the log; nothing if all is well.

        Raises ``InputLost``, ``Unavailable``, `LedgerUnavailable`.
        """
        epoch = await set_epoch(self._scratch, shard, "", _TOKEN)
        found: list[str] = []
        for look in range(_LOOKS):
            if look:
                await self._clock.sleep(_PAUSE_S)
            fence = await self._live.fence(shard)
            if not fence.healthy:
                return [f"the shard is not healthy (epoch {fence.value or 'absent'})"]
            now = await self._look(shard, epoch)
            if not now:
                return []
            found = [line for line in found if line in now] if look else now
            if not found:
                return []
        return found

    async def _look(self, shard: int, epoch: str) -> list[str]:
        end = await self._reader.end(CASES_EVENTS.name, shard)
        log = (await self._scratch.position(shard)).log
        if end and (log is None or log < end - 1):
            await absorb(self._scratch, self._reader, shard, epoch, end - 1)
        for topic in (MENTIONS_TRIAGED.name, CASES_COMMANDS.name):
            await replay_input(
                self._scratch, self._reader, self._applier, shard, topic, epoch, settled_up_to=_ALL
            )
        live = await contents_of(self._live, shard)
        rebuilt = await contents_of(self._scratch, shard)
        now = await time_of(self._live, shard)
        begin = min((case.opened_at for case in rebuilt.cases.values()), default=None)
        return list(differences(live, rebuilt, now=now, causes_since=begin))


class _Nobody:
    """Takes reports for a look that must tell nobody."""

    async def report(
        self, *, source: str, position: str, value: bytes, reason: str, handler: str
    ) -> None:
        """Do nothing."""


async def _nowhere(_shard: int, _command: Command, _packed: Packed) -> None:
    """Forward nothing: its own shard has it by now."""


async def _skipped(shard: int, first: int, last: int) -> Sequence[Record]:
    """Stand in for records that triage passed over: the audit looks for those."""
    return [_skip(shard, offset) for offset in range(first, last + 1)]


def _skip(shard: int, offset: int) -> Record:
    topic = MENTIONS_RECEIVED.name
    body = RecordSkipped(reason="not_triaged", topic=topic, partition=shard, offset=offset)
    packed = pack(
        body,
        type="mention.triaged.v1",
        id=f"{topic}/{shard}/{offset}",
        source="careline/verify",
        subject=topic,
        time=from_ms(0),
        key=topic,
        extensions={"sourceoffset": str(offset)},
    )
    return Record(
        topic=MENTIONS_TRIAGED.name,
        partition=shard,
        offset=-1,
        key=packed.key,
        value=packed.value,
        headers=tuple(packed.headers),
        timestamp_ms=0,
    )
