"""The ledger's world for its tests: a Valkey and an embedded Kafka of each test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from tests.support.ledger import LedgerWorld, ledger_world


@pytest_asyncio.fixture
async def world(
    valkey: EmbeddedValkey, embedded_kafka: EmbeddedKafka
) -> AsyncIterator[LedgerWorld]:
    """A ledger of four shards, all recovered from nothing."""
    async with ledger_world(valkey, embedded_kafka) as found:
        await found.recover_all()
        yield found
