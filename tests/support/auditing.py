"""An auditor over a test's own ledger and topics, with the workers' group played by the test."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr

from careline.domain.case import Case
from careline.ledger.auditing.asking import Asking
from careline.ledger.auditing.auditor import Auditor, Pace
from careline.ledger.auditing.bounds import Bounds
from careline.ledger.auditing.findings import Finding
from careline.ledger.auditing.heartbeat import Heartbeat
from careline.ledger.auditing.looking import Looker
from careline.ledger.auditing.metrics import AuditMetrics
from careline.runtime.clock import SystemClock
from schemas.events import CaseKind
from schemas.topics import MENTIONS_RECEIVED
from tests.support.ledger import PARTITIONS, LedgerWorld


class Acknowledged:
    """What the workers' group has acknowledged: all that was received, and what was applied."""

    def __init__(self, world: LedgerWorld) -> None:
        self._world = world
        self.more: dict[tuple[str, int], int] = {}
        """What a test says instead."""

    async def committed(self, topics: Sequence[str], partitions: int) -> dict[tuple[str, int], int]:
        """Return the committed offsets of a group that lost nothing."""
        found: dict[tuple[str, int], int] = {}
        for shard in range(partitions):
            inputs = (await self._world.ledger.position(shard)).inputs
            for topic in topics:
                if topic == MENTIONS_RECEIVED.name:
                    found[topic, shard] = await self._world.reader.end(topic, shard)
                else:
                    found[topic, shard] = inputs.get(topic, -1) + 1
        return found | self.more


class Audit:
    """A looker and an auditor, with shortcuts."""

    def __init__(
        self, world: LedgerWorld, *, bounds: Bounds | None = None, heartbeat: str = ""
    ) -> None:
        self.world = world
        self.group = Acknowledged(world)
        self.looker = Looker(world.ledger, world.reader, self.group, bounds=bounds)
        self.metrics = AuditMetrics(self.looker.names)
        clock = SystemClock()
        url = SecretStr(heartbeat) if heartbeat else None
        self.heartbeat = Heartbeat(url, clock, every=0.0)
        self.auditor = Auditor(
            self.looker,
            Asking(world.ledger, world.producer),
            world.quarantine,
            metrics=self.metrics,
            heartbeat=self.heartbeat,
            clock=clock,
            pace=Pace(every=0.1, second_look=0.05, repair_again=5.0),
        )

    async def findings(self, invariant: str = "") -> list[Finding]:
        """Look once, when nothing has just changed; return what is found."""
        await asyncio.sleep(0.01)  # a case that changed within the look's millisecond is left out
        look = await self.looker.look()
        assert look.shards == PARTITIONS
        return [found for found in look.findings if invariant in {"", found.invariant}]

    def broken(self, invariant: str) -> float:
        """Return how many promises of an invariant were broken."""
        return self.metrics.value("careline_promises_broken_total", invariant=invariant)

    def all_broken(self) -> dict[str, float]:
        """Return every counter of broken promises that is not 0."""
        counts: dict[str, Any] = {name: self.broken(name) for name in self.looker.names}
        return {name: count for name, count in counts.items() if count}

    async def care_cases(self) -> list[Case]:
        """Return the cases of customers."""
        found = (await self.world.cases()).values()
        return [case for case in found if case.kind is CaseKind.CARE]

    async def held(self) -> set[str]:
        """Return the mentions that are an obligation."""
        return {found.mention_id for case in await self.care_cases() for found in case.obligations}
