"""What nobody could read is kept and told, before anybody moves on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from careline.ledger.quarantine import LARGEST_LETTER, Quarantine
from careline.runtime.kafka import Producer, Unavailable
from schemas.commands import Actor, ActorKind
from schemas.envelope import Packed
from schemas.topics import DEAD_LETTERS, MENTIONS_RECEIVED
from tests.support.ledger import PARTITIONS, LedgerWorld


def kept_in(path: Path) -> tuple[bytes, int]:
    """Return a file's bytes, and what others than its owner may do with it."""
    return path.read_bytes(), path.stat().st_mode & 0o077


async def letters(world: LedgerWorld) -> list[tuple[dict[str, bytes], bytes]]:
    """Return headers and bytes of all dead letters."""
    return [
        (dict(record.headers), record.value or b"")
        for shard in range(PARTITIONS)
        for record in await world.records(DEAD_LETTERS.name, shard)
    ]


async def test_a_thousand_unreadable_records_of_an_hour_are_few_cases_with_a_count(
    world: LedgerWorld,
) -> None:
    await asyncio.gather(
        *(
            world.quarantine.report(
                source="mentions.received.v1",
                position=f"1:{n}",
                value=b"\xff",
                reason="not_json",
                handler="streams.triage",
            )
            for n in range(1000)
        )
    )
    await world.pump()
    cases = (await world.cases()).values()
    found = await letters(world)
    assert sum(case.count for case in cases) == 1000
    assert len(cases) <= 2  # the hour may turn while the test runs
    assert len({headers["position"] for headers, _ in found}) == 1000
    assert found[0][0]["handler"] == b"streams.triage"


async def test_a_repeated_report_is_counted_once(world: LedgerWorld) -> None:
    for _ in range(2):
        await world.quarantine.report(
            source="x:acme", position="9", value=b"\xff", reason="not_json", handler="x"
        )
    await world.pump()
    assert sum(case.count for case in (await world.cases()).values()) == 1


async def test_bytes_too_large_for_a_record_go_to_a_file_that_it_names(
    world: LedgerWorld, tmp_path: Path
) -> None:
    spooling = Quarantine(world.producer, PARTITIONS, spool=tmp_path / "spool")
    value = b"x" * (LARGEST_LETTER + 1)
    await spooling.report(
        source="x:acme", position="9", value=value, reason="too_large", handler="x"
    )
    ((headers, kept),) = await letters(world)
    assert kept == b""
    assert kept_in(Path(headers["spool"].decode())) == (value, 0)


class NoLetters(Producer):
    """A producer whose dead letters nobody acknowledges."""

    def __init__(self, other: Producer) -> None:
        self._other = other

    async def send(self, topic: str, partition: int, packed: Packed) -> int:
        if topic == DEAD_LETTERS.name:
            raise Unavailable("no acknowledgement")
        return await self._other.send(topic, partition, packed)


async def test_a_skip_is_in_front_of_a_person_before_any_reader_may_pass_over_it(
    world: LedgerWorld,
) -> None:
    ana = Actor(kind=ActorKind.OPERATOR, id="slack:U1", name="ana")
    skip = {
        "topic": MENTIONS_RECEIVED.name,
        "partition": 2,
        "offset": 7,
        "value": b"what was left",
        "by": ana,
        "because": "the disk is gone",
    }
    with pytest.raises(Unavailable):
        await Quarantine(NoLetters(world.producer), PARTITIONS).skip(**skip)  # type: ignore[arg-type]
    await world.pump()
    subject = "mentions.received.v1: skipped by ana: the disk is gone"
    assert (await world.only_case()).subject == subject
    assert not await world.reader.skips.run(MENTIONS_RECEIVED.name, 2, 7)

    await world.quarantine.skip(**skip)  # type: ignore[arg-type]
    await world.pump()
    assert (await world.only_case()).count == 1, "asked again, it is told once"
    assert await world.reader.skips.run(MENTIONS_RECEIVED.name, 2, 7) == range(7, 8)
    ((headers, kept),) = await letters(world)
    assert kept == b"what was left"
    assert (headers["skipped-by"], headers["skipped-because"]) == (b"ana", b"the disk is gone")
    assert headers["position"] == b"2:7"
