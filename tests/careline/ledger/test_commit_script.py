"""The script that changes cases checks fence, sequence, causes and heads before any write."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from careline.domain.draft import Cause
from careline.ledger.commits import Call, Commit, InputRange, Put
from careline.ledger.store import Ledger, key
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.redis import connect

SHARD = 3
TOPIC = "mentions.triaged.v1"


class Shard:
    """One shard with a healthy epoch, spoken to by the script alone."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.ledger = Ledger(client, partitions=4)
        self.epoch = ""

    async def commit(
        self, *commits: Commit, first: int = 0, last: int | None = None, **more: object
    ) -> str:
        """Call the script; return its letters, or what it refused with."""
        call = Call(self.epoch, list(commits))
        if last is not None:
            records = more.pop("records", last - first + 1)
            call.sequences = [
                InputRange(topic=TOPIC, first=first, last=last, records=int(str(records)))
            ]
        call.puts = list(more.pop("puts", []))  # type: ignore[call-overload]
        answer = await self.ledger.scripts.run("commit", SHARD, *call.args())
        return " ".join(
            part.decode() for part in answer[:3] if isinstance(part, bytes)
        ).removeprefix("ok ")

    async def seen(self) -> int | None:
        """Return how far the topic has been taken in."""
        return (await self.ledger.position(SHARD)).inputs.get(TOPIC)

    async def head(self, case: str) -> str:
        """Return a case's last event."""
        raw = await self.client.hget(key(SHARD, "heads"), case)  # type: ignore[misc]
        return raw.decode() if raw else ""


@pytest_asyncio.fixture
async def shard(valkey: EmbeddedValkey) -> AsyncIterator[Shard]:
    client = connect(valkey.url)
    found = Shard(client)
    _, value = await found.ledger.scripts.run("set_epoch", SHARD, "", "7", 0)
    found.epoch = value.decode()
    yield found
    await client.aclose()


def a_commit(
    cause: str, *, case: str = "c1", on: str = "", to: str = "e1", **facts: object
) -> Commit:
    """Return a commit of a cause that moves a case from one event to another."""
    digest = str(facts.pop("digest", "d" * 64))
    commit = Commit(
        cause=Cause(id=cause, digest=digest),
        case_id=case,
        expected=on,
        head=to,
        state=b"{}",
        due="5",
    )
    for name, value in facts.items():
        setattr(commit, name, value)
    return commit


async def test_a_commit_writes_state_due_entry_cause_outbox_and_effect(shard: Shard) -> None:
    commit = a_commit("m1", offset=0)
    commit.result = "e1"
    commit.add("O", b'{"n":1}', 1)
    commit.add("E", "slack", "card:c1", 12, "", b"{}")
    commit.add("R", "c1", 4)
    assert await shard.commit(commit, first=0, last=0) == "d"

    client = shard.client
    assert await shard.head("c1") == "e1"
    assert await client.zscore(key(SHARD, "due"), "c1") == 5
    assert await client.hget(key(SHARD, "causes"), "m1") == b"d" * 64 + b"|e1"  # type: ignore[misc]
    assert await client.xlen(key(SHARD, "outbox")) == 1
    assert await client.zscore(key(SHARD, "effects:slack"), "card:c1") == 12
    assert await client.zscore(key(SHARD, "refresh"), "c1") == 4
    assert await shard.seen() == 0


async def test_a_repeated_cause_writes_nothing_and_another_body_is_told(shard: Shard) -> None:
    await shard.commit(a_commit("m1"))
    assert await shard.commit(a_commit("m1", on="e1", to="e2")) == "r"
    assert await shard.commit(a_commit("m1", on="e1", to="e2", digest="e" * 64)) == "x"
    assert await shard.head("c1") == "e1"


async def test_a_commit_on_an_old_head_conflicts_and_takes_its_successors_with_it(
    shard: Shard,
) -> None:
    await shard.commit(a_commit("m1"))
    letters = await shard.commit(
        a_commit("m2", on="", to="e2", offset=0),
        a_commit("m3", on="e2", to="e3", offset=1),
        a_commit("m4", case="c2", to="f1", offset=2),
        first=0,
        last=2,
    )
    assert letters == "ccd"
    assert await shard.head("c2") == "f1"
    assert await shard.seen() is None


async def test_a_repeat_inside_a_call_stops_what_was_built_on_it(shard: Shard) -> None:
    await shard.commit(a_commit("m1", to="e1"))
    letters = await shard.commit(
        a_commit("m1", to="e1", offset=0),
        a_commit("m2", on="e1", to="e2", offset=1),
        first=0,
        last=1,
    )
    assert letters == "rc"
    assert await shard.seen() == 0


async def test_a_line_that_moved_meanwhile_conflicts(shard: Shard) -> None:
    assert await shard.commit(a_commit("m1", line="l", new_line=b"c1\n{}")) == "d"
    stale = a_commit("m2", case="c2", to="f1", line="l", old_line=b"", new_line=b"c2\n{}")
    assert await shard.commit(stale) == "c"
    assert await shard.head("c2") == ""


async def test_a_batch_that_begins_past_the_next_offset_is_refused(shard: Shard) -> None:
    assert await shard.commit(first=0, last=4) == ""
    assert await shard.commit(a_commit("m1", offset=6), first=6, last=6) == f"gap {TOPIC} 5"
    assert await shard.head("c1") == ""


async def test_a_batch_with_holes_is_refused(shard: Shard) -> None:
    assert await shard.commit(a_commit("m1"), first=0, last=4, records=4) == f"hole {TOPIC}"
    assert await shard.seen() is None


async def test_the_input_moves_only_forward(shard: Shard) -> None:
    await shard.commit(first=0, last=9)
    await shard.commit(first=2, last=5)
    assert await shard.seen() == 9


async def test_texts_are_stored_even_with_a_repeat_and_pending_ones_only_for_open_effects(
    shard: Shard,
) -> None:
    opened = a_commit("m1")
    opened.add("E", "x:acme", "reply:1", 12, "", b"{}")
    await shard.commit(opened)
    await shard.commit(
        a_commit("m1"),
        puts=[
            Put("mentions", "x:acme:1", b"0:{}"),
            Put("texts", "reply:1", b"hello", if_pending=True),
            Put("texts", "reply:2", b"hello", if_pending=True),
        ],
    )
    assert await shard.client.hget(key(SHARD, "mentions"), "x:acme:1") == b"0:{}"  # type: ignore[misc]
    assert await shard.ledger.reply_text("reply:1", SHARD) == "hello"
    assert await shard.ledger.reply_text("reply:2", SHARD) is None


async def test_an_older_wish_never_lowers_the_version_a_card_should_show(shard: Shard) -> None:
    for cause, on, to, version in (("a", "", "e1", 4), ("b", "e1", "e2", 2)):
        commit = a_commit(cause, on=on, to=to)
        commit.add("R", "c1", version)
        await shard.commit(commit)
    assert await shard.client.zscore(key(SHARD, "refresh"), "c1") == 4


@pytest.mark.parametrize("how", ["flushed", "another epoch", "restarted", "recovering"])
async def test_nothing_is_written_once_the_fence_is_gone(
    shard: Shard, valkey: EmbeddedValkey, how: str
) -> None:
    match how:
        case "flushed":
            await shard.client.flushall()
        case "another epoch":
            await shard.ledger.scripts.run("set_epoch", SHARD, shard.epoch, "8", 0)
        case "recovering":
            await shard.ledger.scripts.run("set_epoch", SHARD, shard.epoch, "recovering:tok", 0)
        case _:
            await valkey.kill()
            await valkey.restart()
            await shard.client.connection_pool.disconnect()
    letters = await shard.commit(a_commit("m1", offset=0), first=0, last=0)
    assert letters.startswith("fenced")
    assert await shard.head("c1") == ""
    assert await shard.seen() is None
    assert not (await shard.ledger.fence(SHARD)).healthy or how == "another epoch"
