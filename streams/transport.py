"""Faust's own Kafka transport, told not to let a fetch wait for long.

Promise: nothing but one number differs: how long a broker may hold a fetch that finds no record.
Faust has it fixed at 1.5 s. A real broker answers as soon as a record comes, so it costs nothing
there; librdkafka's embedded one lets the whole wait pass, at every hop of a mention.
"""

from __future__ import annotations

from typing import Any, Final

import faust
from faust.transport.drivers import aiokafka as driver

FETCH_WAIT_MS: Final = 100


class _Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # It is not started yet: the fetcher that it makes then takes the number from here.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - no argument reaches it
        return consumer


class _Consumer(driver.Consumer):  # type: ignore[misc]
    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):  # type: ignore[misc]
    Consumer = _Consumer


class App(faust.App):  # type: ignore[misc]
    """A Faust app whose consumer does not wait for long."""

    def _new_transport(self) -> Any:
        return _Transport(self.conf.broker_consumer, self)
