"""What is heard and asked becomes what happens to cases: the agents that feed the ledger.

Promises: records of a shard are applied in order and one batch at a time, whichever of the two
topics they come from; a shard without a healthy fence is recovered first; records that were passed
over are fetched: by replay, or, where triage skipped them, triaged on the spot. Records that are
gone for good stop the worker, and a person is told. No business rule lives here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NoReturn

import structlog

from careline.ledger.apply import Applier
from careline.ledger.fence import Fenced, InputGap, InputLost, LedgerUnavailable
from careline.runtime.kafka import LogReader, Record, RecordsGone
from schemas.topics import MENTIONS_RECEIVED, MENTIONS_TRIAGED
from streams.agent import Work
from streams.outbox import OutboxSender
from streams.retry import insist
from streams.shards import Shards
from streams.triage import Quarantine, TriageStage

HANDLER: Final = "cases"
_REPLAYS: Final = 3

_log = structlog.get_logger(__name__)

Replay = Callable[[int, str, int], Awaitable[None]]
"""Applies a shard's topic again from an offset (`careline.ledger.recovery`)."""
Leave = Callable[[str], NoReturn]


class CasesStage:
    """The work of the agents on `mentions.triaged.v1` and `cases.commands.v1`."""

    def __init__(
        self,
        applier: Applier,
        shards: Shards,
        outbox: OutboxSender,
        *,
        replay: Replay,
        quarantine: Quarantine,
        leave: Leave,
    ) -> None:
        """`leave` ends the process when records are lost for good."""
        self._applier = applier
        self._shards = shards
        self._outbox = outbox
        self._replay = replay
        self._quarantine = quarantine
        self._leave = leave

    def work_on(self, topic: str) -> Work:
        """Return the work of the agent of a topic."""
        return partial(self._apply, topic)

    async def refuse(self, record: Record, reason: str) -> None:
        """Put a record aside that fails alone, and move the input past it."""
        await self._quarantine.report(
            source=record.topic,
            position=f"{record.partition}:{record.offset}",
            value=record.value or b"",
            reason=reason,
            handler=HANDLER,
        )
        await self._apply(record.topic, [replace(record, value=b"")])

    async def _apply(self, topic: str, records: Sequence[Record]) -> None:
        batches: dict[int, list[Record]] = {}
        for record in records:
            batches.setdefault(record.partition, []).append(record)
        try:
            await self._in_sequence(topic, batches)
        except Fenced as error:
            self._shards.forget(error.shard)
            raise
        except InputLost as error:
            await self.lost(error)
        except RecordsGone as error:
            await self.lost(InputLost(min(batches), MENTIONS_RECEIVED.name, -1, -1), str(error))

    async def _in_sequence(self, topic: str, batches: dict[int, list[Record]]) -> None:
        for _ in range(_REPLAYS):
            await asyncio.gather(*(self._shards.ready(shard) for shard in batches))
            try:
                async with self._shards.turn(batches):
                    applied = await self._applier.apply(topic, batches)
            except InputGap as gap:
                _log.warning(
                    "input gap: replaying", shard=gap.shard, topic=gap.topic, start=gap.expected
                )
                async with self._shards.turn([gap.shard]):
                    await self._replay(gap.shard, gap.topic, gap.expected)
                self._outbox.wake([gap.shard])
            else:
                self._outbox.wake(applied.outbox)
                return
        raise LedgerUnavailable(f"{topic}: the input is still out of sequence after a replay")

    async def lost(self, what: InputLost, why: str = "") -> NoReturn:
        """Tell a person that records are gone, then stop: going on would hide it."""
        await insist(
            lambda: self._quarantine.report(
                source=what.topic,
                position=f"{what.shard}:{what.expected}",
                value=b"",
                reason="input_lost",
                handler=HANDLER,
            ),
            what="gap incident",
        )
        self._leave(why or str(what))


def missed_by_triage(
    reader: LogReader, triage: TriageStage
) -> Callable[[int, int, int], Awaitable[Sequence[Record]]]:
    """Return what the applier calls for received records that have no triaged one.

    What retention took before anything was triaged at all is not there, and no gap.
    """

    async def missed(shard: int, first: int, last: int) -> Sequence[Record]:
        found: list[Record] = []
        if first == 0:
            first = await reader.beginning(MENTIONS_RECEIVED.name, shard)
        async for batch in reader.read(MENTIONS_RECEIVED.name, shard, first, last + 1):
            for record, packed in zip(batch, await triage.triaged(batch), strict=True):
                found.append(
                    replace(
                        record,
                        topic=MENTIONS_TRIAGED.name,
                        value=packed.value,
                        headers=tuple(packed.headers),
                    )
                )
        return found

    return missed
