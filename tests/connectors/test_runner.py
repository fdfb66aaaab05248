"""A connector process between Kafka, Valkey and the stand-in X: nothing lost, nothing made up."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from careline.runtime.errors import ConfigurationError
from careline.sandbox.server import SandboxConfig
from connectors.replay.config import ReplayConfig
from connectors.runner import run_connectors
from schemas.mentions import HEARD, TEXT_LIMIT_BYTES, MentionReceived
from tests.connectors.world import WITHIN_S, a_world, until
from tests.support.scale import scaled

DOWN_S = scaled(1, 60)

SLOWLY_S = 50.0

HOSTILE = [
    "NUL \x00 here",
    "lone \ud83d surrogate \udc00",
    "\u202egnp.exe\u202c",
    "<!channel> <@U123> <http://evil|http://bank>",
    "e" + "\u0301" * 5000,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467" * 2000,
    "x" * 1_000_000,
    "\uffff\ufffe\ufeff",
]


async def test_what_is_said_after_the_first_connect_is_heard_and_history_is_not(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        world.put(author="ann", text="@acme long ago")
        async with world.running("acme"):
            said = [world.put(author="ann", text=f"@acme help {n}") for n in range(5)]
            heard = await world.heard_at_least(5)
        assert sorted(each.native_id for each in heard) == sorted(said)
        cursors = [r for r in await world.records() if b'"kind":"cursor"' in (r.value or b"")]
        assert len(cursors) == 4, "one for each source"


async def test_a_restart_goes_on_where_it_stood(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        async with world.running("acme"):
            world.put(author="ann", text="@acme one")
            await world.heard_at_least(1)
        world.put(author="ann", text="@acme while away")
        async with world.running("acme"):
            heard = await world.heard_at_least(2)
        assert {each.text for each in heard if isinstance(each, MentionReceived)} == {
            "@acme one",
            "@acme while away",
        }


async def test_killed_again_and_again_nothing_is_lost_and_no_new_events_appear(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        async with world.running("acme"):
            pass
        said: list[str] = []
        for number in range(6):
            async with world.killed("acme"):
                said += [world.put(author="ann", text=f"@acme {number}.{n}") for n in range(20)]
                # At some moment of reading, publishing or moving the cursor.
                await asyncio.sleep(0.03 * number)
        async with world.running("acme"):
            heard = await world.heard_at_least(len(said))
        assert {each.native_id for each in heard} == set(said)
        assert {each.event_id for each in heard} == {f"x:acme:{n}:0" for n in said}


async def test_kafka_down_for_a_while_only_delays(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.running("acme") as running:
        await world.kafka.broker_down()
        said = [world.put(author="ann", text=f"@acme help {n}") for n in range(3)]
        health = running.health["x:acme:mentions"]
        await until(lambda: health.failures_in_a_row > 0, "trouble is known")
        await asyncio.sleep(DOWN_S)
        assert json.loads(await world.cursor("acme", "mentions"))["cursor"] not in said
        await world.kafka.broker_up()
        heard = await world.heard_at_least(3)
        assert sorted(each.native_id for each in heard) == said


async def test_a_lost_cursor_is_read_back_from_the_topic(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        async with world.running("acme"):
            world.put(author="ann", text="@acme one")
            await world.heard_at_least(1)
        await world.forget_cursors()
        missed = world.put(author="ann", text="@acme while Redis was empty")
        async with world.running("acme"):
            heard = await world.heard_at_least(2)
        assert missed in {each.native_id for each in heard}
        assert len({each.event_id for each in heard}) == 2


async def test_a_malformed_item_is_a_dead_letter_and_the_page_goes_on(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        async with world.running("acme"):
            world.put(author="ann", text="@acme before")
            bad = world.put(kind="garbage", account="acme", item={"note": "no text"})
            world.put(author="ann", text="@acme after")
            await world.heard_at_least(2)
        async with world.running("acme"):
            await world.heard_at_least(2)
        letters, reports = await world.unreadable()
        assert [json.loads(each.value or b"")["id"] for each in letters] == [bad]
        assert [each.position for each in reports] == [f"mentions:{bad}"]


async def test_hostile_payloads_arrive_whole_or_cut_and_break_nothing(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.running("acme"):
        for text in HOSTILE:
            world.put(author="ann", text=f"@acme {text}")
        heard = await world.heard_at_least(len(HOSTILE))
        assert len(heard) == len(HOSTILE)
        for record in heard:
            assert isinstance(record, MentionReceived)
            assert len(record.text.encode()) <= TEXT_LIMIT_BYTES
            assert HEARD.validate_json(record.model_dump_json()) == record
        assert Counter(r.truncated for r in heard if isinstance(r, MentionReceived))[True] == 1
        assert (await world.unreadable())[0] == []


async def test_edits_deletes_own_posts_and_messages_all_arrive(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.running("acme"):
        asked = world.put(author="ann", text="@acme where?")
        await world.heard_at_least(1)
        world.put(author="acme", text="@ann there", in_reply_to=asked)
        world.put(kind="dm", **{"from": "bob", "to": "acme", "text": "private"})
        gone = world.put(author="cyd", text="@acme oh")
        world.put(kind="edit", id=asked, text="@acme where, please?")
        await world.heard_at_least(5)
        world.put(kind="delete", id=gone)
        heard = await world.heard_at_least(6)
        kinds = Counter({each.event_id: each.kind for each in heard}.values())
        assert kinds == {"received": 3, "posted": 1, "edited": 1, "deleted": 1}


async def test_one_account_in_trouble_holds_up_no_other(tmp_path: Path) -> None:
    sandbox = SandboxConfig(brands=("acme", "bolt"))
    async with a_world(tmp_path, sandbox=sandbox) as world:
        world.sandbox.x.store.account("acme").suspended = True
        stop = asyncio.Event()
        task = asyncio.create_task(run_connectors(world.config("acme", "bolt"), stop=stop))
        await until(_has_cursor(world), "the good account listens")
        world.put(author="ann", text="@bolt help")
        heard = await world.heard_at_least(1)
        stop.set()
        await asyncio.wait_for(task, WITHIN_S)
        assert {each.account for each in heard} == {"bolt"}


async def test_a_rate_limit_is_waited_out(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, world.running("acme") as running:
        path = "/2/users/*/mentions"
        world.sandbox.faults.add(
            {"kind": "rate_limit", "server": "x", "path": path, "count": 1, "retry_after": 1}
        )
        said = world.put(author="ann", text="@acme help")
        await until(lambda: running.health["x:acme:mentions"].state == "waiting", "it waits")
        heard = await world.heard_at_least(1)
        assert [each.native_id for each in heard] == [said]


@pytest.mark.slow
async def test_many_accounts_are_polled_at_once(tmp_path: Path) -> None:
    names = tuple(f"brand{n}" for n in range(76))
    sandbox = SandboxConfig(brands=names)
    pace = {
        "poll_min_s": 0.5,
        "poll_max_s": 4.0,
        "direct_messages": False,
        "watch_deletes": False,
    }
    async with a_world(tmp_path, sandbox=sandbox, **pace) as world:
        stop = asyncio.Event()
        config = world.config(*names)
        task = asyncio.create_task(run_connectors(config, stop=stop))
        await until(_has_cursor(world, *names), "all listen", SLOWLY_S)
        for name in names:
            for number in range(5):
                world.put(author="ann", text=f"@{name} help {number}")
        heard = await world.heard_at_least(76 * 5, within=SLOWLY_S)
        stop.set()
        await asyncio.wait_for(task, WITHIN_S)
        assert Counter(each.account for each in heard) == dict.fromkeys(names, 5)


async def test_a_file_is_replayed_once_across_restarts_and_then_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    rows = ["tweet_id,author_id,inbound,created_at,text,brand"]
    rows += [f"{n},c{n},True,2017-10-31 22:10:{n % 60:02d},@acme help {n},acme" for n in range(300)]
    rows += ["301,,True,not a time,,acme"]
    path.write_text("\n".join(rows))
    async with a_world(tmp_path) as world:
        config = world.config(replay=(ReplayConfig(path=path, page_size=50),), x=())
        for number in range(4):
            task = asyncio.create_task(run_connectors(config, stop=asyncio.Event()))
            await asyncio.sleep(0.02 * number)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(run_connectors(config, stop=asyncio.Event()), WITHIN_S)
        heard = await world.heard()
        assert len({each.event_id for each in heard}) == 300
        _, reports = await world.unreadable()
        assert {each.position for each in reports} == {"file:301"}
        before = len(heard)
        await asyncio.wait_for(run_connectors(config, stop=asyncio.Event()), WITHIN_S)
        assert len(await world.heard()) == before


async def test_an_unreadable_file_ends_the_process_with_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "posts.jsonl.gz").write_bytes(b"no gzip")
    async with a_world(tmp_path) as world:
        for name in ("posts.jsonl.gz", "absent.csv"):
            config = world.config(replay=(ReplayConfig(path=tmp_path / name),), x=())
            with pytest.raises(ConfigurationError, match="cannot read"):
                await run_connectors(config, stop=asyncio.Event())


def _has_cursor(world: object, *names: str):  # type: ignore[no-untyped-def] # noqa: ANN202
    async def check() -> bool:
        kept = [await world.cursor(name, "mentions") for name in names or ("bolt",)]  # type: ignore[attr-defined]
        return all(kept)

    return check
