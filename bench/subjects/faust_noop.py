"""Faust doing nothing over the same two hops: two agents, set up as careline's, that only count.

Promise: the same app, settings, event loop and topics as the product's worker; the body of each
agent is one addition, in memory that the bench reads.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import Any

import faust
import mode.loop
from pydantic import SecretStr

from schemas.topics import MENTIONS_RECEIVED, MENTIONS_TRIAGED
from streams.app import create_app, raw_topic
from streams.config import WorkerConfig


def add_counter(app: faust.App, topic: str, counts: memoryview, place: int) -> None:
    """Register an agent that counts what it gets."""

    async def count(stream: Any) -> None:
        async for _ in stream.events():
            counts[place] += 1

    app.agent(raw_topic(app, topic), name=f"noop-{place}", concurrency=1)(count)


def main(bootstrap: str, counts_file: str) -> int:
    """Run until SIGTERM."""
    mode.loop.use("uvloop")
    with Path(counts_file).open("r+b") as file, mmap.mmap(file.fileno(), 16) as shared:
        counts = memoryview(shared).cast("q")
        app = create_app(
            WorkerConfig(
                bootstrap=bootstrap, redis_url=SecretStr("redis://unused"), group="bench-noop"
            )
        )
        for place, topic in enumerate((MENTIONS_RECEIVED, MENTIONS_TRIAGED)):
            add_counter(app, topic.name, counts, place)
        worker = faust.Worker(app, loglevel="ERROR", redirect_stdouts=False)
        try:
            worker.execute_from_commandline()
        finally:
            counts.release()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
