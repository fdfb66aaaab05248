"""From mention accepted to card accepted, at a steady pace, through every role of the product.

producer of a connector → Kafka → worker → ledger → Kafka → Slack responder → sandbox Slack

Promises: a mention's time begins before its record is handed to the producer and ends when the
sandbox's Slack has taken the card; both by this machine's wall clock, and the end from Slack's
history, never from the product. A mention without a card is an error, never left out of a figure.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.corpus import Corpus
from bench.judge import decision
from bench.measure import Subject
from bench.peers import PARTITIONS, fresh_topics, ledger
from bench.percentiles import percentile
from bench.throughput import received
from careline.cli.sandbox_process import Furniture, SandboxProcess
from careline.runtime.kafka import Producer
from schemas.identity import case_id
from schemas.mentions import MentionReceived
from schemas.topics import MENTIONS_RECEIVED

ACCOUNTS: Final = tuple(f"brand{number}" for number in range(8))
"""Each has a channel of its own, as the queues of a brand have."""
_SEED: Final = 2
_WARM: Final = 100
_CARDS_WITHIN_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds from mention accepted to card accepted."""

    per_second: float
    cards: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


async def latency(
    corpus: Corpus, *, bootstrap: str, per_second: float, seconds: float, log: Path
) -> Latency:
    """Measure; the broker runs already."""
    await fresh_topics(bootstrap)
    mentions = _queries(corpus, _WARM + int(per_second * seconds))
    furniture = Furniture(channels=(*ACCOUNTS, "ops"))
    async with ledger() as url, SandboxProcess(furniture, log=log) as slack:
        settings = {
            "bot_token": slack["slack_bot_token"],
            "app_token": slack["slack_app_token"],
            "base_url": slack["slack_api_url"],
            "kafka": bootstrap,
            "redis": url,
            "paced": False,
            "channels": {f"{each}:public": each for each in ACCOUNTS} | {"ops": "ops"},
        }
        responder = ["-m", "bench.subjects.responder", json.dumps(settings)]
        worker = ["-m", "bench.subjects.worker", bootstrap, url]
        with Subject(worker, log=log), Subject(responder, log=log):
            producer = Producer(bootstrap, client_id="bench-connector")
            await producer.start()
            try:
                warm = await _publish(producer, mentions[:_WARM], per_second)
                await _accepted(slack, warm)
                sent = await _publish(producer, mentions[_WARM:], per_second)
                accepted = await _accepted(slack, sent)
            finally:
                await producer.stop()
    taken = sorted((accepted[case] - begin) * 1000 for case, begin in sent.items())
    return Latency(
        per_second=per_second,
        cards=len(taken),
        p50_ms=round(percentile(taken, 50), 1),
        p90_ms=round(percentile(taken, 90), 1),
        p99_ms=round(percentile(taken, 99), 1),
        max_ms=round(taken[-1], 1),
    )


def _queries(corpus: Corpus, count: int) -> list[MentionReceived]:
    """Return mentions that open a case each, so that each has a card to wait for."""
    triager = decision()
    queries = (
        each
        for each in corpus.mentions(count * 4, seed=_SEED)
        if each.native_id == each.conversation.root and triager.triage(each.text).query
    )
    rng = random.Random(_SEED)
    found = [
        each.model_copy(update={"account": rng.choice(ACCOUNTS)})
        for each in itertools.islice(queries, count)
    ]
    if len(found) < count:
        raise RuntimeError(f"the corpus has {len(found)} queries, {count} are needed")
    return found


async def _publish(
    producer: Producer, mentions: Sequence[MentionReceived], per_second: float
) -> dict[str, float]:
    """Send one mention after the other at a steady pace; return when each case's was sent."""
    sent: dict[str, float] = {}
    begin = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, mention in enumerate(mentions):
            await asyncio.sleep(max(0.0, begin + number / per_second - time.monotonic()))
            now = time.time()
            partition, packed = received(mention)
            case = case_id(
                mention.line, 1, conversation=mention.conversation.key, partitions=PARTITIONS
            )
            sent[case] = now
            group.create_task(producer.send(MENTIONS_RECEIVED.name, partition, packed))
    return sent


async def _accepted(sandbox: SandboxProcess, wanted: dict[str, float]) -> dict[str, float]:
    """Return when Slack accepted the card of each case; wait until all are there."""
    deadline = time.monotonic() + _CARDS_WITHIN_S
    while True:
        found = await _cards(sandbox)
        missing = wanted.keys() - found.keys()
        if not missing:
            return found
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(missing)} of {len(wanted)} mentions have no card")
        await asyncio.sleep(0.5)


async def _cards(sandbox: SandboxProcess) -> dict[str, float]:
    summary = await sandbox.get("summary", detail=1, key="case", event_type="careline_case")
    slack: dict[str, Any] = summary["slack"]
    if slack["duplicates"]:
        raise RuntimeError(f"{len(slack['duplicates'])} cases have two cards")
    accepted: dict[str, float] = slack["accepted_at"]
    return accepted
