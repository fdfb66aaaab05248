"""What goes wrong around a connector ends in front of a person, and costs no mention.

A gap that no reading can fill, a token that is no good any more, clocks and dates that cannot be.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import SecretStr

from careline.sandbox.common.pace import Pace
from careline.sandbox.server import SandboxConfig
from schemas.commands import ReportUnreadable
from tests.connectors.world import a_world, until

REACH = 800
"""How far back X's mentions timeline goes."""


async def test_a_gap_that_no_reading_fills_is_an_incident_at_once(tmp_path: Path) -> None:
    config = SandboxConfig(brands=("acme",), pace=Pace.REAL)
    async with a_world(tmp_path, sandbox=config) as world:
        async with world.running("acme"):
            world.put(author="ann", text="@acme the first")
            await world.heard_at_least(1)
        for number in range(REACH + 50):
            world.put(author="ann", text=f"@acme while nobody listened {number}")
        world.sandbox.faults.add(
            {
                "server": "x",
                "kind": "refuse",
                "status": 400,
                "path": "/2/tweets/search/recent",
                "error": "too old",
            }
        )
        async with world.running("acme"):
            await world.heard_at_least(1 + REACH)

            async def told() -> bool:
                return any(each.reason == "gap" for each in (await world.unreadable())[1])

            await until(told, "an incident of the gap")
        _, reports = await world.unreadable()
        gaps = [each for each in reports if each.reason == "gap"]
        assert len({each.command_id for each in gaps}) == 1
        assert isinstance(gaps[0], ReportUnreadable)
        assert gaps[0].source == "x:acme"


async def test_a_rotated_token_is_known_at_once_and_costs_no_mention(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        account = world.sandbox.x.store.account("acme", brand=True)
        store = world.sandbox.x.store
        async with world.running("acme") as running:
            world.put(author="ann", text="@acme before")
            await world.heard_at_least(1)
            known = store.by_bearer.pop(account.bearer)
            health = running.health["x:acme:mentions"]
            await until(lambda: health.state == "blocked", "the token is known to be no good")
            said = [world.put(author="ann", text=f"@acme meanwhile {n}") for n in range(5)]
        store.by_bearer["rotated"] = known
        world.settings["bearer_token"] = SecretStr("rotated")
        async with world.running("acme"):
            heard = await world.heard_at_least(6)
        assert {each.native_id for each in heard} > set(said)
        assert len({each.event_id for each in heard}) == 6


async def test_an_instant_that_is_none_is_put_aside_and_its_neighbours_are_heard(
    tmp_path: Path,
) -> None:
    """A leap second, a day that no calendar has."""
    async with a_world(tmp_path) as world, world.running("acme"):
        odd = ("2016-12-31T23:59:60.000Z", "2026-02-30T00:00:00.000Z")
        for number, instant in enumerate(odd):
            world.put(author="ann", text=f"@acme odd {number}", created_at=instant)
            world.put(author="ann", text=f"@acme plain {number}")
        heard = await world.heard_at_least(2)

        async def aside() -> bool:
            return len({each.position for each in (await world.unreadable())[1]}) == len(odd)

        await until(aside, "dead letters of what has no time")
        assert sorted(each.text for each in heard if each.kind == "received") == [
            "@acme plain 0",
            "@acme plain 1",
        ]


async def test_what_is_too_large_for_a_dead_letter_is_kept_where_the_process_was_told(
    tmp_path: Path,
) -> None:
    spool = tmp_path / "state" / "dead-letters"
    async with a_world(tmp_path) as world, world.running("acme", spool=spool):
        world.put(kind="garbage", account="acme", item={"oops": "x" * 300_000})

        async def aside() -> bool:
            return len((await world.unreadable())[0]) == 1

        await until(aside, "a dead letter of the large item")
        ((letter,), _) = await world.unreadable()
        kept = Path(dict(letter.headers)["spool"].decode())
        assert kept.parent == spool
        assert b"x" * 300_000 in await asyncio.to_thread(kept.read_bytes)
        assert letter.value == b""
