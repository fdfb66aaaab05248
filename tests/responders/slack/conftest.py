"""The floor as a fixture."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from tests.responders.slack.floor import Floor, a_floor


@pytest_asyncio.fixture
async def floor(valkey: EmbeddedValkey, embedded_kafka: EmbeddedKafka) -> AsyncIterator[Floor]:
    """Kafka, Valkey, a worker and the sandbox; a test starts the responder itself."""
    async with a_floor(valkey, embedded_kafka) as found:
        yield found
