"""A worker as its own process, told by one JSON argument what the tests want of it."""

from __future__ import annotations

import json
import sys
from datetime import timedelta

from pydantic import SecretStr

from careline.domain.policy import FIRST_RESPONSE, Policy
from careline.runtime.log import configure_logging
from streams.config import WorkerConfig
from streams.worker import run_worker
from tests.support.hostile_triager import Hostile


def main(argument: str) -> int:
    wanted = json.loads(argument)
    configure_logging("INFO", json=True, role="worker")
    hostile = wanted.pop("hostile", False)
    target = wanted.pop("target_s", None)
    first_response = (
        FIRST_RESPONSE
        if target is None
        else dict.fromkeys(FIRST_RESPONSE, timedelta(seconds=target))
    )
    policy = Policy(partitions=wanted.pop("partitions"), first_response=first_response)
    config = WorkerConfig(redis_url=SecretStr(wanted.pop("redis_url")), policy=policy, **wanted)
    return run_worker(config, triager=Hostile if hostile else None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
