"""careline's own worker with a sampler beside it: where does its processor time go?

Promise: every 4 ms of processor time one sample is taken of what runs, from the moment the bench
wakes the worker; the product is not changed by a line. The time since the last sample goes to the
innermost frame that a stage of the table claims. What sampling costs is part of no other figure.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Final

from bench.subjects import worker

_EVERY_S: Final = 0.004
_THREADS: Final = "other threads"
_STAGES: Final = (
    # the end of a file's name, a function or none, the stage
    ("schemas/envelope.py", "pack", "encode records"),
    ("schemas/envelope.py", "pack_json", "encode records"),
    ("streams/triage.py", "_read", "decode received"),
    ("careline/runtime/helper.py", "", "triage's process: to it and from it"),
    ("streams/triage.py", "_packed", "encode triaged"),
    ("careline/ledger/items.py", "", "decode triaged"),
    ("careline/domain/", "", "decide"),
    ("careline/ledger/deciding.py", "", "decide"),
    ("careline/ledger/commits.py", "", "encode commits"),
    ("careline/ledger/store.py", "mention_raw", "encode commits"),
    ("careline/ledger/snapshot.py", "", "read the snapshot"),
    ("careline/ledger/outbox.py", "", "outbox"),
    ("redis/", "", "Redis client"),
    ("careline/ledger/scripts.py", "", "Redis client"),
    ("aiokafka/producer/", "", "Kafka producer"),
    ("careline/runtime/kafka_producer.py", "", "Kafka producer"),
    ("aiokafka/", "", "Kafka consumer"),
    ("faust/", "", "Faust"),
    ("mode/worker.py", "", "event loop and sockets"),
    ("mode/", "", "Faust"),
    ("streams/agent.py", "", "Faust"),
)
_OTHER: Final = "everything else"


def stage_of(frame: FrameType | None) -> str:
    """Return the stage that the innermost frame known to the table belongs to."""
    while frame is not None:
        code = frame.f_code
        for file, function, stage in _STAGES:
            if file in code.co_filename and function in ("", code.co_name):
                return stage
        frame = frame.f_back
    return _OTHER


class Sampler:
    """Adds processor time to stages by the event loop's stack; other threads have a row."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._main = threading.get_ident()
        self._last = 0.0
        self._threads: dict[int, float] = {}

    def begin(self, *_: object) -> None:
        """Start anew: what came before was the start-up and the warm-up."""
        self.seconds.clear()
        self._threads = {ident: _thread_time(ident) for ident in _frames()}
        self._last = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)

    def take(self, _number: int, frame: FrameType | None) -> None:
        """Take a sample."""
        now = time.process_time()
        spent, self._last = now - self._last, now
        for ident in _frames():
            if ident == self._main:
                continue
            used = _thread_time(ident)
            own, self._threads[ident] = used - self._threads.get(ident, 0.0), used
            self.seconds[_THREADS] += own
            spent -= own
        self.seconds[stage_of(frame)] += max(spent, 0.0)


def _frames() -> dict[int, FrameType]:
    """Return what every thread is at."""
    return sys._current_frames()  # noqa: SLF001 - the one way to see another thread


def _thread_time(ident: int) -> float:
    """Return the processor time of a thread; 0 where the system cannot tell."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return 0.0
    return time.clock_gettime(time.pthread_getcpuclockid(ident))


def main(report: str, bootstrap: str, redis_url: str) -> int:
    """Run the worker until SIGTERM, then write the samples."""
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler.take)
    signal.signal(signal.SIGCONT, sampler.begin)
    try:
        return worker.main(bootstrap, redis_url)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(report).write_text(json.dumps(sampler.seconds), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
