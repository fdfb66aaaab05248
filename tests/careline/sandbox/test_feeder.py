"""Playing a file into the stand-in X."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from careline.sandbox import Sandbox
from careline.sandbox.feeder import Feeder, FeederStalledError, FeedPlan
from careline.sandbox.stream_files import read_stream
from tests.careline.sandbox.conftest import Control, until
from tests.careline.sandbox.test_stream_files import THREAD


@pytest.fixture
def path(tmp_path: Path) -> Path:
    lines = [json.dumps(line) for line in THREAD]
    file = tmp_path / "stream.jsonl"
    file.write_text("\n".join([*lines[:2], "{broken", *lines[2:]]))
    return file


async def test_every_line_becomes_one_item(sandbox: Sandbox, control: Control, path: Path) -> None:
    async with Feeder(sandbox.control_url, read_stream(path)) as feeder:
        fed = await feeder.run()
    assert (fed.lines, fed.customers, fed.own, fed.malformed) == (6, 4, 1, 1)
    assert fed.refused == []
    store = sandbox.x.store
    counts = (await control.get("summary"))["x"]
    assert (counts["mentions"], counts["garbage"], counts["own_posts"]) == (5, 1, 1)
    reply = store.posts[int(fed.ids["3"])]
    assert reply.parent == int(fed.ids["2"])
    assert reply.conversation == int(fed.ids["1"])
    assert reply.created_at == "2017-10-31T10:05:00.000Z"
    orphan = store.posts[int(fed.ids["9"])]
    assert orphan.parent == orphan.conversation == store.refs["8"]
    assert orphan.parent not in store.posts
    assert orphan.parent_author == store.by_username["spotifycares"].id


async def test_it_never_runs_further_ahead_than_told(sandbox: Sandbox, tmp_path: Path) -> None:
    lines = [
        {"id": str(n), "author_id": "77", "inbound": True, "text": f"@Acme {n}", "company": "Acme"}
        for n in range(300)
    ]
    file = tmp_path / "many.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    plan = FeedPlan(ahead=50, batch=20)
    most = 0
    async with Feeder(sandbox.control_url, read_stream(file), plan) as feeder:
        run = asyncio.create_task(feeder.run())
        while not run.done():
            most = max(most, sandbox.x.store.backlog())
            for line in sandbox.x.store.mentions.values():
                for post in line.between(None, None):
                    line.served_at.setdefault(post.id, 1.0)
            await asyncio.sleep(0.002)
        assert (await run).lines == 300
    assert most <= 50


async def test_it_gives_up_when_nobody_reads(sandbox: Sandbox, path: Path) -> None:
    plan = FeedPlan(ahead=2, batch=1, stall_s=0.1)
    async with Feeder(sandbox.control_url, read_stream(path), plan) as feeder:
        with pytest.raises(FeederStalledError, match="none was read"):
            await feeder.run()


async def test_a_speed_keeps_the_distances(sandbox: Sandbox, path: Path) -> None:
    plan = FeedPlan(speed=600.0)
    async with Feeder(sandbox.control_url, read_stream(path), plan) as feeder:
        fed = await feeder.run()
    assert 0.45 < fed.seconds < 5
    posts = {ref: sandbox.x.store.posts[int(i)] for ref, i in fed.ids.items()}
    assert posts["3"].accepted_at - posts["1"].accepted_at > 0.4


async def test_tweepy_reads_what_was_fed(sandbox: Sandbox, path: Path, x: Any) -> None:
    async with Feeder(sandbox.control_url, read_stream(path)) as feeder:
        accounts = {account["username"]: account for account in await feeder.furnish()}
        await feeder.run()
    page = await x.get_users_mentions(accounts["Delta"]["id"], user_auth=True)
    assert [p["text"] for p in page["data"] if "text" in p] == [
        "@Delta still waiting", "my bag is gone @AlaskaAir",
    ]  # fmt: skip
    own = await x.get_users_tweets(accounts["Delta"]["id"], user_auth=True)
    assert [p["text"] for p in own["data"]] == ["@77 sorry!"]
    await until(lambda: sandbox.x.store.backlog() == 2)
