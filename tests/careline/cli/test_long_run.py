"""Commands for the long run: the ledger rebuilt and compared, an author erased."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from careline.ledger.store import key
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from tests.support.command import Ran, careline
from tests.support.ledger import PARTITIONS, LedgerWorld, ledger_world
from tests.support.stories import a_mention

CONFIG = """
brands:
  - name: Acme
    accounts:
      - handle: acme
channels: {mentions: care, direct_messages: care-dms}
ops_channel: ops
"""
pytestmark = pytest.mark.timeout(120)


class Installation:
    """A ledger with history, and the settings that lead to it."""

    def __init__(self, world: LedgerWorld, folder: Path, settings: dict[str, str]) -> None:
        self.world = world
        self._folder = folder
        self._settings = settings

    async def ran(self, *arguments: str) -> Ran:
        """Run a command as a person would."""
        return await asyncio.to_thread(
            careline, *arguments, cwd=self._folder, timeout=90.0, **self._settings
        )


@pytest.fixture
async def installed(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey, tmp_path: Path
) -> Installation:
    """Five mentions heard, decided, and in the log."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "careline.yaml").write_text(CONFIG, encoding="utf-8")
    async with ledger_world(valkey, embedded_kafka) as world:
        await world.recover_all()
        for n in range(5):
            said = f"parcel {n} for Tulpenweg"
            await world.hear(a_mention(str(100 + n), root=str(n), author="7", text=said))
        await world.pump()
        await world.drain_all()
        settings = {
            "KAFKA__BOOTSTRAP_SERVERS": embedded_kafka.bootstrap,
            "KAFKA__PARTITIONS": str(PARTITIONS),
            "REDIS__URL": valkey.url,
        }
        yield Installation(world, folder, settings)  # type: ignore[misc]


async def test_a_ledger_that_is_as_the_log_says_compares_equal(installed: Installation) -> None:
    ran = await installed.ran("ledger", "rebuild", "--verify")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [f"shard {n:02d}: 0 differences" for n in range(PARTITIONS)]


async def test_a_damaged_ledger_is_told_and_then_rebuilt(installed: Installation) -> None:
    world = installed.world
    before = await world.cases()
    case = min(before)
    shard = int(case[1:3])
    await world.client.hdel(key(shard, "cases"), case)  # type: ignore[misc]
    ran = await installed.ran("ledger", "rebuild", "--verify", "--json")
    assert ran.code == 1
    assert ran.json["differences"][f"{shard:02d}"] == [f"case {case}: not in the ledger"]
    ran = await installed.ran("ledger", "rebuild", "--shard", str(shard))
    assert ran.code == 0, ran.err
    assert "✓ 1 shards rebuilt in" in ran.out
    assert await world.cases() == before
    assert (await installed.ran("ledger", "rebuild", "--verify")).code == 0


async def test_a_shard_that_does_not_exist_is_refused(installed: Installation) -> None:
    ran = await installed.ran("ledger", "rebuild", "--shard", str(PARTITIONS))
    assert ran.code == 2
    assert "there is no shard 4" in ran.error


async def test_a_scratch_that_is_not_empty_is_refused(
    installed: Installation, valkey: EmbeddedValkey
) -> None:
    ran = await installed.ran("ledger", "rebuild", "--verify", "--scratch", valkey.url)
    assert ran.code == 2
    assert "the scratch is not empty" in ran.error


async def test_an_author_is_erased_once_the_shards_have_taken_it_in(
    installed: Installation,
) -> None:
    world = installed.world
    ran = await installed.ran("erase", "--author", "x:7", "--dry-run")
    assert (ran.code, ran.out) == (0, "would erase 5 mentions of 5 cases\n")

    async def worker() -> None:
        while True:
            await world.pump()
            await asyncio.sleep(0.2)

    working = asyncio.create_task(worker())
    ran = await installed.ran("erase", "--author", "x:7", "--json")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert ran.code == 0, ran.err
    assert (ran.json["mentions"], ran.json["not_taken_in"]) == (5, [])
    assert any("mentions.received.v1" in line for line in ran.json["remains"])
    for shard in range(PARTITIONS):
        for raw in await world.client.hvals(key(shard, "mentions")):  # type: ignore[misc]
            assert b"Tulpenweg" not in raw
    ran = await installed.ran("erase", "--author", "x:7", "--dry-run", "--json")
    assert ran.json == {"dry_run": True, "mentions": 0, "cases": 5}


async def test_an_author_without_a_network_is_refused(installed: Installation) -> None:
    ran = await installed.ran("erase", "--author", "jane")
    assert ran.code == 2
    assert "no NETWORK:ID" in ran.error
