"""careline's own worker with a sampler beside it: where does its processor time go?

Promise: every 4 ms of processor time one sample is taken of what runs, from the moment the bench
wakes the worker; the product is not changed by a line. Each sample belongs to the innermost frame
that a stage of the table claims. What it costs is not part of any other figure.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from bench.subjects import worker

_EVERY_S: Final = 0.004
_STAGES: Final = (
    # the end of a file's name, a function or none, the stage
    ("schemas/envelope.py", "pack", "encode records"),
    ("schemas/envelope.py", "pack_json", "encode records"),
    ("streams/triage.py", "_read", "decode received"),
    ("careline/triage/language.py", "", "triage: language"),
    ("careline/triage/", "", "triage: rules"),
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
    """Counts samples by stage."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.samples: Counter[str] = Counter()
        self.leaves: Counter[str] = Counter()
        self._main = threading.get_ident()

    def begin(self, *_: object) -> None:
        """Start anew: what came before was the start-up and the warm-up."""
        self.samples.clear()
        self.leaves.clear()
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)

    def take(self, _number: int, frame: FrameType | None) -> None:
        """Take a sample: of the triage thread while it works, else of the event loop's."""
        for ident, other in sys._current_frames().items():
            if ident != self._main and (stage := stage_of(other)).startswith("triage"):
                frame = other
        self.samples[stage_of(frame)] += 1
        if frame is not None:
            code = frame.f_code
            where = "/".join(Path(code.co_filename).parts[-2:])
            self.leaves[f"{where}:{code.co_name}"] += 1


def main(report: str, bootstrap: str, redis_url: str) -> int:
    """Run the worker until SIGTERM, then write the samples."""
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler.take)
    signal.signal(signal.SIGCONT, sampler.begin)
    try:
        return worker.main(bootstrap, redis_url)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        found = {
            "stages": dict(sampler.samples.most_common()),
            "leaves": dict(sampler.leaves.most_common(40)),
        }
        Path(report).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
