"""careline's own worker, as `careline run worker` starts it: one process, all shards.

Promise: nothing of the product is replaced; only where Kafka and the ledger are is given by hand.
"""

from __future__ import annotations

import sys

from pydantic import SecretStr

from bench.judge import CHOICE
from streams.config import WorkerConfig
from streams.worker import run_worker


def main(bootstrap: str, redis_url: str) -> int:
    """Run until SIGTERM."""
    return run_worker(
        WorkerConfig(bootstrap=bootstrap, redis_url=SecretStr(redis_url), triage=CHOICE)
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
