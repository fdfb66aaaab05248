"""The auditor's host: finds input that was acknowledged without having been worked on.

Promise: it repairs only by asking for a replay from where the ledger stands.
"""

from __future__ import annotations

from schemas.topics import CASES_COMMANDS, MENTIONS_RECEIVED, MENTIONS_TRIAGED
from tests.simulation.stage import Stage
from tests.simulation.world import Host, sleep

_EVERY = 240.0
_INPUTS = (MENTIONS_TRIAGED.name, CASES_COMMANDS.name)


class Auditor:
    """Compares committed offsets with the ledger's own."""

    def __init__(self, stage: Stage, host: Host) -> None:
        """Start."""
        self._stage = stage
        host.spawn("audit", self._audit())

    async def _audit(self) -> None:
        while True:
            await sleep(_EVERY)
            before = self._ahead()
            await sleep(20.0)
            for topic, expected in self._ahead().items():
                if before.get(topic) == expected:
                    self._replay(topic, expected)

    def _ahead(self) -> dict[str, int]:
        """Return where the ledger stands in topics that the group believes to be done."""
        stage = self._stage
        seen = stage.redis.server.hashes.get("in", {})
        found: dict[str, int] = {}
        for topic in (*_INPUTS, MENTIONS_RECEIVED.name):
            expected = int(seen.get(topic.encode(), b"-1")) + 1
            if expected < stage.workers.committed.get(topic, 0):
                found[topic] = expected
        return found

    def _replay(self, topic: str, expected: int) -> None:
        group = self._stage.workers
        self._stage.world.tell(f"auditor: {topic} again from {expected}")
        group.committed[topic] = expected
        group.generation += 1
        group.changed.fire(self._stage.world)
        self._stage.kafka.signal(topic).fire(self._stage.world)
