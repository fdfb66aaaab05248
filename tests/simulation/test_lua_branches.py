"""Every branch of the ledger's scripts is taken, while the model says what must come of it.

Random calls reach nearly all of the commit script; what they cannot meet is called for by name. A
new branch without a call that takes it fails here.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from careline.ledger.scripts import NAMES, Scripts
from careline.runtime.embedded_valkey import EmbeddedValkey
from schemas.identity import shard_tag
from tests.simulation.lua_branches import COUNTS, counting
from tests.simulation.model import Arg, ShardModel
from tests.simulation.random_calls import Calls
from tests.simulation.real_scripts import OurTime, with_counters

CALLS = 500
SHARD = 1
TAG = shard_tag(SHARD)
UNFENCED = {"fence", "now", "overdue", "set_epoch"}
"""Looks, and the fence itself."""
pytestmark = pytest.mark.timeout(300)


class Counted:
    """The scripts with counters, on a server of their own."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.scripts = Scripts(client)
        self.wanted = with_counters(self.scripts)
        self.time = OurTime()
        self.epoch = ""

    async def run(self, name: str, *args: Arg) -> list[Any]:
        """Call a script on the shard of the calls by name."""
        return await self.scripts.run(name, SHARD, *args)

    async def missed(self) -> list[str]:
        """Return the branches that nothing has taken yet."""
        taken = {raw.decode() for raw in await self.client.hkeys(COUNTS)}  # type: ignore[misc]
        assert taken <= set(self.wanted)
        return [name for name in self.wanted if name not in taken]

    async def put(self, name: str, field: str, value: str) -> None:
        """Put a field of a hash where a call will find it."""
        await self.client.hset(f"{TAG}:{name}", field, value)  # type: ignore[misc]

    async def effect(self, name: str, raw: str, *, due: int | None = 0) -> None:
        """Put an effect where an executor will find it, or only where it will not."""
        await self.put("effect", name, f"{raw}\n{{}}")
        if due is not None:
            await self.client.zadd(f"{TAG}:effects:slack", {name: due})


@pytest.fixture
async def counted(tmp_path: Path) -> AsyncIterator[Counted]:
    async with EmbeddedValkey(tmp_path) as server:
        client = Redis.from_url(server.url)
        yield Counted(client)
        await client.aclose()


async def random_calls(counted: Counted, seed: int) -> None:
    """Play random calls; each answer is the model's."""
    rng = random.Random(seed)
    run_id = (await counted.client.info("server"))["run_id"].encode()
    model = ShardModel(run_id, counted.time)
    calls = Calls(rng, run_id.decode())
    for number in range(CALLS):
        counted.time.micros += rng.choice((0, 300, 1_000, 40_000))
        await counted.time.set(counted.client, 0)
        name, args = calls.next(model)
        assert await counted.scripts.run(name, 0, *args) == model.run(name, args), (number, name)


async def nothing_behind_a_fence_that_is_gone(counted: Counted) -> None:
    for name in NAMES:
        if name not in UNFENCED:
            assert (await counted.run(name, "nothing"))[0] == b"fenced", name
    assert await counted.run("fence") == [b"", await _run_id(counted)]
    await counted.client.set(f"{TAG}:epoch", "5@" + "0" * 40)
    assert (await counted.run("due", "", 1))[0] == b"fenced"
    await counted.client.delete(f"{TAG}:epoch")
    _, value = await counted.run("set_epoch", "", "5", 0)
    counted.epoch = value.decode()


async def reads(counted: Counted) -> None:
    """A mention replied to whose line nobody asked for; records that are not as they should be."""
    await counted.put("mentions", "to", "4:line{}")
    await counted.put("mentions", "of nobody", "0:{}")
    await counted.put("mentions", "odd", "no length")
    await counted.put("lines", "line", 's01-a-1\n{"case_id":"s01-a-1"}')
    await counted.put("lines", "bare", "no line feed")
    args = [counted.epoch, "a", "b", 0, 1, "bare", 0, 3, "to", "of nobody", "odd", 1, ""]
    answer = await counted.run("read", *args)
    assert answer[0] == b"ok"
    assert b"line" in answer[6]


async def attempts_that_must_not_be_made(counted: Counted) -> None:
    now = counted.time.micros // 1000
    await counted.client.set(f"{TAG}:sent", "10-5")
    answers = {
        "none": None,
        "in no set": "0||0||||",
        "not due": "0||0||||",
        "unknown": "1|5|1||||",
        "cancelled": "0||0||||answered meanwhile",
        "too late": "0||0||7||",
        "later batch": "0||0|11-0|||",
        "same batch": "0||0|10-6|||",
        "in the log": f"0||0|10-5|{now + 60_000}||",
        "of no event": "0||0||||",
    }
    dues = {"in no set": None, "not due": now + 60_000}
    for name, raw in answers.items():
        if raw is not None:
            await counted.effect(name, raw, due=dues.get(name, 0))
    found = {
        name: b" ".join((await counted.run("attempt", counted.epoch, "slack", name, 50))[:2])
        for name in answers
    }
    assert found == {
        "none": b"no gone",
        "in no set": b"no gone",
        "not due": b"no not_due",
        "unknown": b"no unknown",
        "cancelled": b"no cancelled",
        "too late": b"no too_late",
        "later batch": b"no not_in_log",
        "same batch": b"no not_in_log",
        "in the log": b"ok 1",
        "of no event": b"ok 1",
    }
    await counted.client.delete(f"{TAG}:sent")
    await counted.effect("of a log without a place", "0||0|10-5|||")
    answer = await counted.run("attempt", counted.epoch, "slack", "of a log without a place", 50)
    assert answer[:2] == [b"no", b"not_in_log"]


async def due_entries_of_nothing(counted: Counted) -> None:
    await counted.client.zadd(f"{TAG}:due", {"s01-gone-1": 1, "s01-a-1": 2})
    await counted.put("heads", "s01-a-1", "e1")
    await counted.put("cases", "s01-a-1", "{}")
    answer = await counted.run("due", counted.epoch, 5)
    assert answer[3:] == [b"s01-gone-1", b"", b"", b"s01-a-1", b"e1", b"{}"]
    await counted.client.zadd(f"{TAG}:effects:slack", {"no record": 1})
    answer = await counted.run("effects", counted.epoch, "slack", 50)
    assert answer[answer.index(b"no record") + 1] == b""
    assert await counted.run("overdue", 0) == [1]
    assert await counted.run("now") == [str(counted.time.micros).encode()]


async def housekeeping(counted: Counted) -> None:
    now = counted.time.micros // 1000
    sha = hashlib.sha1(b"old", usedforsecurity=False).hexdigest()
    for field in ("same", "leaves", "other"):
        await counted.put("mentions", field, "old" if field != "other" else "new")
    fields = ("same", sha, "newer", "leaves", sha, "", "other", sha, "newer", "none", sha, "x")
    answer = await counted.run("swap", counted.epoch, "mentions", 4, *fields, 1, "s01-a-1", 9)
    assert answer == [b"ok", 2]
    await counted.put("texts", "open", "words")
    await counted.put("texts", "done", "words")
    await counted.effect("open", "0||0||||")
    assert await counted.run("texts", counted.epoch, now, "open", "done") == [b"ok", 0]
    assert await counted.run("texts", counted.epoch, now + 1, "open", "done") == [b"ok", 1]
    await counted.put("lines", "l", "s01-a-1\n{}")
    forgets = [
        (("s01-a-1", "another head", "l", "x"), 0),
        (("s01-a-1", "e1", "l", "another"), 1),
    ]
    for args, gone in forgets:
        assert await counted.run("forget", counted.epoch, *args) == [b"ok", gone]
    await counted.put("heads", "s01-a-1", "e1")
    assert await counted.run("forget", counted.epoch, "s01-a-1", "e1", "l", "s01-a-1\n{}") == [
        *(b"ok", 1)
    ]
    await counted.put("heads", "s01-a-1", "e1")
    assert await counted.run("forget", counted.epoch, "s01-a-1", "e1", "", "") == [b"ok", 1]


async def sent(counted: Counted) -> None:
    """The log's place moves forward with what was sent, from nowhere on, and never back."""
    await counted.client.delete(f"{TAG}:log")
    for offset, wanted in ((3, b"3|5"), (2, b"3|5")):
        assert await counted.run("trim", counted.epoch, "5-1", offset) == [b"ok", 0]
        assert await counted.client.get(f"{TAG}:log") == wanted


async def emptied(counted: Counted) -> None:
    assert await counted.run("drop_sent", counted.epoch, "5-1") == [b"ok"]
    assert len(await counted.client.keys(f"{TAG}:*")) > 1
    assert await counted.run("wipe", counted.epoch) == [b"ok"]
    left = {raw.decode() for raw in await counted.client.keys(f"{TAG}:*")}
    assert left == {f"{TAG}:epoch"}


async def _run_id(counted: Counted) -> bytes:
    found: str = (await counted.client.info("server"))["run_id"]
    return found.encode()


async def test_every_branch_of_every_script_is_taken(counted: Counted) -> None:
    for seed in (11, 12):
        await random_calls(counted, seed)
        await counted.client.delete(*await counted.client.keys(f"{shard_tag(0)}:*"))
    await counted.time.set(counted.client, SHARD)
    await nothing_behind_a_fence_that_is_gone(counted)
    await reads(counted)
    await attempts_that_must_not_be_made(counted)
    await due_entries_of_nothing(counted)
    await housekeeping(counted)
    await sent(counted)
    await emptied(counted)
    assert await counted.missed() == []


def test_what_is_counted_is_every_side_of_every_condition() -> None:
    source = "if a == 1 and (b or c) then return x and 'y' or 'z' end for i = 1, 2 do f(i) end"
    text, wanted = counting("s", "local function key(name) return name end", source)
    assert wanted == [
        "prelude:1 function is entered",
        "s:1 a == 1 and ( b or c ) is true",
        "s:1 a == 1 and ( b or c ) is false",
        "s:1 a == 1 is true",
        "s:1 a == 1 is false",
        "s:1 b is true",
        "s:1 b is false",
        "s:1 x is true",
        "s:1 x is false",
        "s:1 x and `y` is true",
        "s:1 x and `y` is false",
        "s:1 do is entered",
    ]
    assert "__c('s:1 x and `y`', __c('s:1 x', x ) and 'y' ) or 'z'" in text.replace("(2)", "")
