"""The model is the ledger: the same random calls to it and to the real scripts, all compared.

Only the server's clock is replaced, by two keys that the test sets: the scripts run as they are.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from careline.ledger.scripts import Scripts
from careline.runtime.embedded_valkey import EmbeddedValkey
from schemas.identity import shard_tag
from tests.simulation.model import ShardModel
from tests.simulation.random_calls import Calls
from tests.simulation.real_scripts import CLOCK, OurTime, with_our_clock

CALLS = 1_000
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Redis]:
    async with EmbeddedValkey(tmp_path) as server:
        client = Redis.from_url(server.url)
        yield client
        await client.aclose()


async def _keys_of(client: Redis, tag: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for raw in await client.keys(f"{tag}:*"):
        name = raw.decode().partition(":")[2]
        kind = (await client.type(raw)).decode()
        if name in CLOCK:
            continue
        if kind == "string":
            found[name] = await client.get(raw)
        elif kind == "hash":
            found[name] = await client.hgetall(raw)
        elif kind == "zset":
            found[name] = dict(await client.zrange(raw, 0, -1, withscores=True))
        else:
            found[name] = [
                (entry, fields[b"b"], fields[b"n"]) for entry, fields in await client.xrange(raw)
            ]
    return found


def _keys_of_model(model: ShardModel) -> dict[str, Any]:
    found: dict[str, Any] = dict(model.strings)
    found |= {name: value for name, value in model.hashes.items() if value}
    found |= {name: value for name, value in model.zsets.items() if value}
    if model.outbox is not None:
        found["outbox"] = [(b"%d-%d" % at, body, parts) for at, body, parts in model.outbox]
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_the_model_answers_and_writes_as_the_real_scripts_do(
    client: Redis, seed: int
) -> None:
    rng = random.Random(seed)
    tag = shard_tag(0)
    scripts = Scripts(client)
    with_our_clock(scripts)
    time = OurTime()
    run_id = (await client.info("server"))["run_id"].encode()
    model = ShardModel(run_id, time)
    calls = Calls(rng, run_id.decode())
    answers: dict[str, int] = {}
    for number in range(CALLS):
        time.micros += rng.choice((0, 300, 1_000, 40_000))
        await time.set(client, 0)
        name, args = calls.next(model)
        real = await scripts.run(name, 0, *args)
        ours = model.run(name, args)
        assert ours == real, (number, name, args)
        verdict = real[0].decode() if isinstance(real[0], bytes) else "?"
        answers[f"{name}:{verdict}"] = answers.get(f"{name}:{verdict}", 0) + 1
        for letter in set(real[1].decode()) if name == "commit" and verdict == "ok" else ():
            answers[f"commit {letter}"] = answers.get(f"commit {letter}", 0) + 1
        if number % 25 == 0 or number == CALLS - 1:
            assert _keys_of_model(model) == await _keys_of(client, tag), (number, name, args)
    for seen in ("commit d", "commit r", "commit x", "commit c", "commit:gap", "commit:hole"):
        assert answers.get(seen, 0) > 0, (seen, answers)
    for seen in ("commit:fenced", "attempt:ok", "attempt:no", "set_epoch:no", "trim:ok"):
        assert answers.get(seen, 0) > 0, (seen, answers)
