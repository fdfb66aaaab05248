"""A worker that is alive but does nothing leaves; one that is merely idle does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from streams.config import WorkerConfig
from streams.watchdog import Watchdog

CONFIG = WorkerConfig(
    bootstrap="127.0.0.1:1",
    redis_url=SecretStr("redis://127.0.0.1:1"),
    stall_after=100,
    unassigned_after=600,
)


class Worker:
    """The parts of a worker that the watchdog looks at."""

    def __init__(self) -> None:
        self.ends: dict[Any, int] = {}
        self.body = SimpleNamespace(name="cases", busy_since=None, finished={})
        self.shards = SimpleNamespace(owned=frozenset({0}))
        app: Any = SimpleNamespace(consumer=SimpleNamespace(highwater=self.end))
        parts: Any = (app, [self.body], self.shards)
        self.watchdog = Watchdog(*parts, config=CONFIG)

    def end(self, where: Any) -> int:
        return self.ends.get((where.topic, where.partition), 0)


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_an_idle_worker_stays(worker: Worker) -> None:
    worker.body.finished["heard", 0] = 41
    worker.ends["heard", 0] = 42
    assert not any(worker.watchdog.reason(now) for now in range(0, 10_000, 50))


def test_a_batch_that_never_ends_is_a_reason(worker: Worker) -> None:
    worker.body.busy_since = 10.0
    assert worker.watchdog.reason(100.0) == ""
    assert "busy with one batch" in worker.watchdog.reason(111.0)


def test_records_that_wait_without_progress_are_a_reason(worker: Worker) -> None:
    worker.body.finished["heard", 0] = 5
    worker.ends["heard", 0] = 50
    assert worker.watchdog.reason(0.0) == ""
    worker.body.finished["heard", 0] = 6
    assert worker.watchdog.reason(90.0) == ""
    assert worker.watchdog.reason(180.0) == ""
    assert "heard[0] has stood at 6" in worker.watchdog.reason(191.0)


def test_a_partition_that_moved_away_is_not_waited_for(worker: Worker) -> None:
    worker.body.finished["heard", 1] = 5
    worker.ends["heard", 1] = 50
    assert not any(worker.watchdog.reason(now) for now in range(0, 1000, 50))


def test_no_partition_for_ten_minutes_is_a_reason(worker: Worker) -> None:
    worker.shards.owned = frozenset()
    assert worker.watchdog.reason(1.0) == ""
    assert worker.watchdog.reason(600.0) == ""
    assert "no partition" in worker.watchdog.reason(602.0)
    worker.shards.owned = frozenset({0})
    assert worker.watchdog.reason(603.0) == ""
    worker.shards.owned = frozenset()
    assert worker.watchdog.reason(604.0) == ""
