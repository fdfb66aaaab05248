"""The fixtures for the peers of careline: real servers on free loopback ports.

`embedded_kafka` and `valkey` belong to one test. `kafka_server` is one broker for the session, up
again at the start of each test that asks for it, because a test may have killed it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from tests.support.kafka import jars
from tests.support.kafka.server import KafkaServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest_asyncio.fixture
async def embedded_kafka() -> AsyncIterator[EmbeddedKafka]:
    """One embedded broker without topics: `await embedded_kafka.create_topic(name, count)`."""
    async with EmbeddedKafka() as cluster:
        yield cluster


@pytest_asyncio.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    """A Valkey of this test's own, with the ledger's settings."""
    async with EmbeddedValkey(tmp_path / "valkey") as server:
        yield server


def require_kafka() -> None:
    """Skip a test where no real Apache Kafka is set up; in CI that is a failure."""
    if (reason := jars.missing_tool()) is not None:
        if os.environ.get("CARELINE_TEST_REQUIRE_KAFKA") == "1":
            pytest.fail(f"CARELINE_TEST_REQUIRE_KAFKA=1, but {reason}")
        pytest.skip(f"no real Apache Kafka: {reason}")


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[KafkaServer]:
    """The session's Apache Kafka; ask for `kafka_server` instead."""
    require_kafka()
    with KafkaServer() as server:
        yield server


@pytest.fixture
def own_kafka() -> Iterator[KafkaServer]:
    """A real Apache Kafka of this test's own, that holds nothing yet."""
    require_kafka()
    with KafkaServer() as server:
        yield server


@pytest.fixture
def kafka_server(kafka_broker: KafkaServer) -> KafkaServer:
    """A real Apache Kafka with what earlier tests left in it: use topic names of your own."""
    if not kafka_broker.running:
        kafka_broker.restart()
    return kafka_broker
