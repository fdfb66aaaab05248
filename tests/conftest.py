"""What every test may ask for. The code of the fixtures is in tests/support."""

from __future__ import annotations

from tests.support.servers import embedded_kafka, kafka_broker, kafka_server, own_kafka, valkey

__all__ = ["embedded_kafka", "kafka_broker", "kafka_server", "own_kafka", "valkey"]
