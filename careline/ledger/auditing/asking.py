"""Asks for repair: the auditor's only deeds.

Promises: no case, no position and no effect is changed here. A look again is an entry in the set
that the owner looks at anyway; a replay is the record's own bytes in its own partition; a recovery
is asked for only under the epoch in which the fault was found.
"""

from __future__ import annotations

import uuid
from typing import Final, assert_never

from careline.ledger.auditing.findings import Finding, LookAgain, Recovery, Replay
from careline.ledger.store import Ledger, key, to_ms
from careline.runtime.kafka import Producer
from schemas.envelope import Packed

ASKED_AGAIN: Final = "careline-replayed-by"


class Asking:
    """Puts repairs in front of those who can carry them out."""

    def __init__(self, ledger: Ledger, producer: Producer) -> None:
        """Ask through these."""
        self._ledger = ledger
        self._producer = producer

    async def ask(self, finding: Finding) -> str:
        """Ask for a finding's repair; return what was asked, "" if there is nothing to ask.

        Raises ``Unavailable`` or `LedgerUnavailable`: ask again, asking twice is harmless.
        """
        match finding.repair:
            case None:
                return ""
            case LookAgain() as look:
                await self._look_again(look)
                return "its owner looks at it again"
            case Replay() as replay:
                offset = await self._replay(replay)
                return f"the record was published again, at offset {offset}"
            case Recovery() as recovery:
                asked = await self._recover(recovery)
                return "its owner recovers the shard" if asked else "it is recovered already"
            case _ as never:
                assert_never(never)

    async def _look_again(self, look: LookAgain) -> None:
        records = "cases" if look.set == "due" else "effect"
        known = self._ledger.client.hexists(key(look.shard, records), look.member)
        if not await self._ledger.asked(known):
            return  # it is over since: an entry without its record would lie there for ever
        now = to_ms(await self._ledger.now())
        # Never later than it stands: a deadline or an attempt must not be put off.
        asked = self._ledger.client.zadd(key(look.shard, look.set), {look.member: now}, lt=True)
        await self._ledger.asked(asked)

    async def _replay(self, replay: Replay) -> int:
        record = replay.record
        headers = [header for header in record.headers if header[0] != ASKED_AGAIN]
        packed = Packed(
            key=record.key or b"",
            value=record.value or b"",
            headers=[*headers, (ASKED_AGAIN, f"auditor;offset={record.offset}".encode())],
        )
        return await self._producer.send(record.topic, record.partition, packed)

    async def _recover(self, recovery: Recovery) -> bool:
        token = f"recovering:{uuid.uuid4().hex}"
        answer, _ = await self._ledger.scripts.run(
            "set_epoch", recovery.shard, recovery.seen, token, 0
        )
        return bool(answer == b"ok")
