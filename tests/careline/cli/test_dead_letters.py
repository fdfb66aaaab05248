"""Dead letters from the shell: seen without a private word, put back once, and then triaged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from careline.ledger.letters import Letters, hexdump
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from schemas.identity import shard_of
from schemas.mentions import Visibility
from schemas.topics import DEAD_LETTERS, MENTIONS_RECEIVED
from tests.support.command import Ran, careline
from tests.support.ledger import PARTITIONS, LedgerWorld, ledger_world
from tests.support.stories import a_mention

SECRET = "my card number is 4929 1234"


class Desk:
    """Letters, and the command line that looks at them."""

    def __init__(self, world: LedgerWorld, folder: Path, settings: dict[str, str]) -> None:
        self.world = world
        self._folder = folder
        self._settings = settings

    async def put(
        self, value: bytes, *, topic: str = MENTIONS_RECEIVED.name, at: str = "1:7"
    ) -> str:
        """Set bytes aside as a worker would; return the letter's id."""
        known = {letter.id for letter in await self.letters()}
        await self.world.quarantine.report(
            source=topic, position=at, value=value, reason="not_json", handler="triage"
        )
        (new,) = {letter.id for letter in await self.letters()} - known
        return new

    async def letters(self) -> list:  # type: ignore[type-arg]
        return await Letters(self.world.reader, partitions=PARTITIONS).all()

    async def run(self, *arguments: str) -> Ran:
        words = ("dead-letters", *arguments)
        return await asyncio.to_thread(careline, *words, cwd=self._folder, **self._settings)


@pytest.fixture
async def desk(
    valkey: EmbeddedValkey, embedded_kafka: EmbeddedKafka, tmp_path: Path
) -> AsyncIterator[Desk]:
    settings = {
        "KAFKA__BOOTSTRAP_SERVERS": embedded_kafka.bootstrap,
        "KAFKA__PARTITIONS": str(PARTITIONS),
        "REDIS__URL": valkey.url,
    }
    async with ledger_world(valkey, embedded_kafka) as world:
        yield Desk(world, tmp_path, settings)


async def test_letters_are_listed_and_none_shows_a_word(desk: Desk) -> None:
    name = await desk.put(SECRET.encode())
    await desk.put(b"?", topic="x:acme", at="77")
    ran = await desk.run("list", "--json")
    assert ran.code == 0, ran.err
    assert {one["letter"] for one in ran.json} >= {name}
    assert {one["topic"] for one in ran.json} == {MENTIONS_RECEIVED.name, "x:acme"}
    plain = await desk.run("list", "--topic", "x:acme")
    assert plain.out.count("\n") == 2
    assert "4929" not in ran.out + plain.out


async def test_a_direct_message_is_shown_by_its_shape_unless_asked_for(desk: Desk) -> None:
    direct = a_mention(text=SECRET, visibility=Visibility.DIRECT).model_dump_json().encode()
    for value in (SECRET.encode(), direct):
        name = await desk.put(value, at=f"1:{len(value)}")
        ran = await desk.run("show", name)
        assert ran.code == 0, ran.err
        assert "card" not in ran.out + ran.err
        assert "4929" not in ran.out
        assert SECRET.encode()[:4].hex(" ") not in ran.out
        assert "--raw" in ran.err
        raw = await desk.run("show", name, "--raw")
        text = "".join(line[57:] for line in raw.out.splitlines() if line[:6].isalnum())
        assert SECRET in text


async def test_a_public_mention_is_shown_in_hex_and_text(desk: Desk) -> None:
    name = await desk.put(a_mention(text="where is \x1b[31m it?").model_dump_json().encode())
    ran = await desk.run("show", name, "--json")
    assert ran.json["masked"] is False
    assert "7b 22" in ran.json["dump"][0]
    assert "\x1b" not in ran.out


async def test_a_letter_is_put_back_once_with_its_own_bytes(desk: Desk) -> None:
    mention = a_mention()
    shard = shard_of(mention.conversation.key, PARTITIONS)
    value = mention.model_dump_json().encode()
    name = await desk.put(value, at=f"{shard}:0")
    ran = await desk.run("redrive", name)
    assert ran.code == 0, ran.err
    assert f"{MENTIONS_RECEIVED.name}[{shard}] at offset 0" in ran.out
    (record,) = await desk.world.records(MENTIONS_RECEIVED.name, shard)
    assert record.value == value
    assert record.key == mention.conversation.key.encode()
    assert dict(record.headers)["careline-redriven"] == f"{name};not_json".encode()

    again = await desk.run("redrive", name)
    assert again.code == 1
    assert "put back before" in again.out
    assert len(await desk.world.records(MENTIONS_RECEIVED.name, shard)) == 1
    assert (await desk.run("redrive", name, "--again", "--json")).json["offset"] == 1
    (letter,) = await desk.letters()
    assert len(letter.redriven) == 2
    marks = [
        dict(record.headers)["position"]
        for number in range(PARTITIONS)
        for record in await desk.world.records(DEAD_LETTERS.name, number)
    ]
    assert set(marks) == {f"{shard}:0".encode()}, "the marks count as the same letter"


async def test_what_still_cannot_be_read_is_put_back_with_a_word_of_warning(desk: Desk) -> None:
    name = await desk.put(b"\x80pickle", at="2:5")
    ran = await desk.run("redrive", name)
    assert ran.code == 0
    assert "cannot read it either" in ran.err
    (record,) = await desk.world.records(MENTIONS_RECEIVED.name, 2)
    assert record.value == b"\x80pickle"


async def test_what_came_from_a_network_or_is_not_there_cannot_be_put_back(desk: Desk) -> None:
    name = await desk.put(b"?", topic="x:acme", at="77")
    ran = await desk.run("redrive", name)
    assert ran.code == 1
    assert "not from a topic" in ran.error
    ran = await desk.run("show", "0:99")
    assert ran.code == 2
    assert "careline dead-letters list" in ran.error


async def test_a_letter_too_large_for_a_record_is_put_back_from_its_file(desk: Desk) -> None:
    mention = a_mention(text="x" * 300_000)
    shard = shard_of(mention.conversation.key, PARTITIONS)
    value = mention.model_dump_json().encode()
    name = await desk.put(value, at=f"{shard}:3")
    (letter,) = await desk.letters()
    assert letter.spool
    assert (await desk.run("redrive", name)).code == 0
    (record,) = await desk.world.records(MENTIONS_RECEIVED.name, shard)
    assert record.value == value
    await asyncio.to_thread(Path(letter.spool).unlink)
    ran = await desk.run("redrive", name, "--again")
    assert ran.code == 1
    assert "cannot be read" in ran.error


def test_a_dump_shows_nothing_that_a_terminal_acts_on_and_hides_words() -> None:
    value = "\x1b[2J Über {1}\n".encode()
    masked = "\n".join(hexdump(value, masked=True))
    assert "b e r" not in masked
    assert "62 65 72" not in masked
    assert "{x}" in masked
    plain = "\n".join(hexdump(value, masked=False))
    assert "62 65 72" in plain
    assert all(one.isprintable() or one == "\n" for one in masked + plain)
    assert hexdump(b"a" * 40, masked=False, most=16)[-1] == "… 24 more bytes"
