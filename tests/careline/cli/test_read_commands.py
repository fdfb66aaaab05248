"""Commands that look at a running installation: topics, cases, the audit."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from careline.domain.steps import next_due
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from schemas.topics import TOPICS
from tests.support.command import Ran, careline
from tests.support.ledger import PARTITIONS as LEDGER_PARTITIONS
from tests.support.ledger import ledger_world
from tests.support.stories import START, a_mention

PARTITIONS = 2


async def looked(*arguments: str, cwd: Path, **variables: str) -> Ran:
    return await asyncio.to_thread(careline, *arguments, cwd=cwd, **variables)


@pytest.fixture
async def peers(embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey) -> dict[str, str]:
    """Settings of a careline that has heard nothing yet."""
    for topic in TOPICS:
        await embedded_kafka.create_topic(topic.name, PARTITIONS)
    return {
        "KAFKA__BOOTSTRAP_SERVERS": embedded_kafka.bootstrap,
        "KAFKA__PARTITIONS": str(PARTITIONS),
        "REDIS__URL": valkey.url,
    }


async def test_topics_as_they_should_be_are_no_difference(
    peers: dict[str, str], tmp_path: Path
) -> None:
    ran = await looked("topics", "diff", "--json", cwd=tmp_path, **peers)
    assert (ran.code, ran.json) == (0, {"differences": []})


async def test_a_missing_topic_is_a_difference_and_stops_a_command(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    await embedded_kafka.create_topic(TOPICS[0].name, PARTITIONS + 1)
    settings = {
        "KAFKA__BOOTSTRAP_SERVERS": embedded_kafka.bootstrap,
        "KAFKA__PARTITIONS": str(PARTITIONS),
        "REDIS__URL": valkey.url,
    }
    ran = await looked("topics", "diff", cwd=tmp_path, **settings)
    assert ran.code == 1
    assert f"✗ {TOPICS[0].name}: partitions is 3, should be 2" in ran.out
    assert f"✗ {TOPICS[1].name}: missing" in ran.out
    ran = await looked("ledger", "audit", cwd=tmp_path, **settings)
    assert ran.code == 2
    assert "careline topics apply" in ran.error


async def test_nothing_heard_is_a_balance_that_closes(
    peers: dict[str, str], tmp_path: Path
) -> None:
    ran = await looked("ledger", "audit", "--json", cwd=tmp_path, **peers)
    assert ran.code == 0
    assert ran.json["heard"] == 0
    assert ran.json["problems"] == []


async def test_without_cases_the_list_is_empty_and_a_case_is_not_found(
    peers: dict[str, str], tmp_path: Path
) -> None:
    ran = await looked("case", "list", "--json", cwd=tmp_path, **peers)
    assert (ran.code, ran.json) == (0, [])
    ran = await looked("case", "show", "s01-3fa9c1d2e4b57788-1", cwd=tmp_path, **peers)
    assert ran.code == 2
    assert "careline case list" in ran.error


async def test_a_redis_that_may_forget_is_refused_by_a_role(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    for topic in TOPICS:
        await embedded_kafka.create_topic(topic.name, PARTITIONS)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(valkey.url.split(":")[2].split("/")[0])
    )
    writer.write(b"CONFIG SET appendonly no\r\n")
    await reader.readline()
    writer.close()
    await writer.wait_closed()
    (tmp_path / "careline.yaml").write_text(
        "brands: [{name: Acme, accounts: [{handle: acme}]}]\n"
        "channels: {mentions: care, direct_messages: care-dms}\nops_channel: ops\n",
        encoding="utf-8",
    )
    ran = await looked(
        *("run", "worker"),
        cwd=tmp_path,
        KAFKA__BOOTSTRAP_SERVERS=embedded_kafka.bootstrap,
        KAFKA__PARTITIONS=str(PARTITIONS),
        REDIS__URL=valkey.url,
    )
    assert ran.code == 2
    assert "appendonly is no" in ran.err.splitlines()[-1]


async def test_the_list_begins_with_what_is_due_first_and_says_how_many_more_there_are(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    settings = {
        "KAFKA__BOOTSTRAP_SERVERS": embedded_kafka.bootstrap,
        "KAFKA__PARTITIONS": str(LEDGER_PARTITIONS),
        "REDIS__URL": valkey.url,
    }
    async with ledger_world(valkey, embedded_kafka) as world:
        await world.recover_all()
        for number in range(7):
            await world.hear(a_mention(f"{number}", root=f"{number}", author=f"author {number}"))
        await world.pump()
        cases = await world.cases()
    assert len(cases) == 7
    wanted = sorted(cases, key=lambda name: (next_due(cases[name]) or START, name))
    ran = await looked("case", "list", "--json", cwd=tmp_path, **settings)
    assert [found["case"] for found in ran.json] == wanted
    ran = await looked("case", "list", "--limit", "2", cwd=tmp_path, **settings)
    assert [line.split()[0] for line in ran.out.splitlines()[1:]] == wanted[:2]
    assert "5 more: --limit" in ran.err
