"""What a worker must be told: where Kafka and the ledger are, the policy, and its bounds of time.

Promise: one frozen value, complete before anything starts; nothing in `streams` reads the
environment or a file. The defaults are those of the design (section 8).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from careline.domain.policy import Policy
from careline.runtime.brokers import Where
from careline.triage.choice import TriageChoice

WORKERS: Final = "careline-worker"
"""Kafka's consumer group: all workers of one careline share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """The settings of one worker process."""

    bootstrap: Where
    redis_url: SecretStr
    policy: Policy = field(default_factory=Policy)
    triage: TriageChoice = field(default_factory=TriageChoice)
    """What judges the texts, and by which rules."""
    group: str = WORKERS
    development: bool = False
    """Accept a Redis that may forget (``--dev``)."""
    session_timeout: float = 10.0
    """Seconds after which the broker gives a dead worker's partitions to another."""
    drain_budget: float = 8.0
    """Seconds that work in hand may take after SIGTERM; then the process leaves without acks."""
    batch_size: int = 500
    """Records that are dealt with at once, if so many wait."""
    triage_budget: float = 30.0
    """Seconds for the triage of one batch; what hangs longer counts as failed triage."""
    triage_budget_each: float = 1.0
    """Seconds for a single text, once its batch has failed."""
    kafka_timeout: float = 30.0
    spool: Path | None = None
    """Where dead letters too large for Kafka are kept; None: a folder that the system may clear."""
    deadline_poll: float = 0.5
    outbox_poll: float = 1.0
    overdue_of_others: float = 30.0
    """Seconds after which any worker takes a due entry that its owner left lying."""
    stall_after: float = 300.0
    """Seconds without progress, with work waiting, after which the worker leaves."""
    unassigned_after: float = 600.0
    """Seconds without any partition after which the worker leaves (aiokafka #1187)."""

    @property
    def partitions(self) -> int:
        """The number of partitions of every topic, and of shards."""
        return self.policy.partitions
