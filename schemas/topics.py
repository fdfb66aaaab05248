"""The one table of topics: they are created, checked and documented from it, and from nothing else.

Promises: no topic is compacted, none is created by accident, and all share one number of
partitions, chosen once before the first start, because partition = shard.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

DEFAULT_PARTITIONS: Final = 16
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic: what it carries, for whom, and how long it is kept."""

    name: str
    carries: str
    retention: timedelta
    max_message_bytes: int = _MIB

    @property
    def retention_ms(self) -> int:
        """Retention in milliseconds, as the broker takes it."""
        return int(self.retention.total_seconds() * 1000)

    def config(self) -> dict[str, str]:
        """Return the broker's settings of this topic."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
        }


MENTIONS_RECEIVED: Final = Topic(
    name="mentions.received.v1",
    carries="everything a connector heard, as heard; header: the connector's cursor",
    retention=timedelta(days=30),
)
MENTIONS_TRIAGED: Final = Topic(
    name="mentions.triaged.v1",
    carries="one record for each received one, in order, with its triage; header: source offset",
    retention=timedelta(days=30),
)
CASES_COMMANDS: Final = Topic(
    name="cases.commands.v1",
    carries="what people, bots, connectors and responders ask for or report",
    retention=timedelta(days=30),
)
CASES_EVENTS: Final = Topic(
    name="cases.events.v1",
    carries="what happened, numbered per case: the log of record and the public contract",
    retention=timedelta(days=365),
)
DEAD_LETTERS: Final = Topic(
    name="dead-letters.v1",
    carries="bytes that nothing could read, with reason, topic, partition, offset and handler",
    retention=timedelta(days=90),
)

TOPICS: Final = (MENTIONS_RECEIVED, MENTIONS_TRIAGED, CASES_COMMANDS, CASES_EVENTS, DEAD_LETTERS)
