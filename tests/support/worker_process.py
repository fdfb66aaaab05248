"""A worker as its own process, told by one JSON argument what the tests want of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import timedelta

from pydantic import SecretStr

from careline.domain.policy import FIRST_RESPONSE, Policy
from careline.runtime.log import configure_logging
from careline.triage.rules import RuleTriager
from schemas.triage import Triage
from streams.config import WorkerConfig
from streams.worker import run_worker


class Hostile(RuleTriager):
    """Raises on one word and hangs on another, as a bad model may."""

    def triage(self, text: str, *, language_hint: str | None = None) -> Triage:
        if "hang" in text:
            time.sleep(3600)
        if "crash" in text:
            raise RuntimeError(f"cannot judge {text}")
        return super().triage(text, language_hint=language_hint)

    def triage_batch(self, texts: Sequence[str]) -> list[Triage]:
        return [self.triage(text) for text in texts]


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
    return run_worker(config, triager=Hostile() if hostile else None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
