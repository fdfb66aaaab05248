"""One worker process: Faust carries the events, everything that must not be lost is in the ledger.

Reads top to bottom: `run_worker` checks the peers, then starts Faust with the engine beside it. The
engine connects, takes over the shards that Kafka assigns, and looks after deadlines and outboxes.
Promises: a clean SIGTERM ends within the drain budget and a few seconds and loses nothing; a
worker that makes no progress although work is waiting leaves with exit code 75; nothing listens.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import faust
import mode
import mode.loop
import structlog

from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import Producer, Unavailable
from careline.runtime.redis import assert_durable, connect
from careline.runtime.topics_admin import TopicsOnBroker, require_topics
from careline.triage.choice import chosen_decision
from careline.triage.protocol import Triager
from schemas.topics import TOPICS
from streams.agent import Drain
from streams.app import check, create_app
from streams.config import WorkerConfig
from streams.engine import Engine
from streams.listening import assert_nothing_listens

_KAFKA_WAIT_S = 60.0

_log = structlog.get_logger(__name__)


def run_worker(config: WorkerConfig, *, triager: Callable[[], Triager] | None = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit code. Raises ConfigurationError at start.

    `triager` makes what judges the texts in place of the configured one; it travels to a process
    of its own.
    It takes over the process: event loop policy, signals, and on a stall the process itself.
    """
    _use_uvloop()
    asyncio.run(_preflight(config))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    drain = Drain(config.drain_budget)
    app = create_app(config)
    decision = partial(chosen_decision, config.triage, triager)
    engine = Engine(app, config, decision=decision, drain=drain, loop=loop)
    check(app)
    worker = _Worker(app, engine, drain=drain, loop=loop)
    _quieten_collector()
    _share_the_processor()
    code: object = 0
    try:
        worker.execute_from_commandline()
    except SystemExit as end:  # the only way it returns
        code = end.code
    drain.end()
    _log.info("worker ended", code=code)
    return code if isinstance(code, int) else 1


class _Worker(faust.Worker):  # type: ignore[misc]
    """Faust's worker, which neither prints nor sets up logging, and counts down to its end."""

    def __init__(
        self, app: faust.App, engine: Engine, *, drain: Drain, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(
            app,
            engine,
            loop=loop,
            quiet=True,
            override_logging=False,
            redirect_stdouts=False,
        )
        self.spinner = None
        self._drain = drain

    def _schedule_shutdown(self, signal: Any) -> None:
        _log.info("stopping", signal=getattr(signal, "name", str(signal)))
        self._drain.begin()
        super()._schedule_shutdown(signal)

    async def on_startup_finished(self) -> None:
        """Say so, once nothing listens that should not."""
        await super().on_startup_finished()
        assert_nothing_listens()
        _log.info("worker ready")


async def _preflight(config: WorkerConfig) -> None:
    """Return if the peers are there and as they must be. Raises ConfigurationError."""
    producer = Producer(config.bootstrap, client_id="careline-preflight")
    try:
        async with asyncio.timeout(_KAFKA_WAIT_S):
            while True:
                try:
                    await producer.start()
                    break
                except Unavailable as error:
                    _log.warning("waiting for Kafka", why=str(error))
                    await asyncio.sleep(1)
    except TimeoutError as error:
        raise ConfigurationError(
            f"no Kafka answers at {config.bootstrap}",
            hint="start it, or correct CARELINE_KAFKA__BOOTSTRAP_SERVERS",
        ) from error
    finally:
        await producer.stop()
    await require_topics(
        TopicsOnBroker(
            bootstrap=config.bootstrap,
            partitions=config.partitions,
            topics=TOPICS,
        )
    )
    client = connect(config.redis_url.get_secret_value())
    try:
        await assert_durable(client, dev=config.development)
    finally:
        await client.aclose()


def _quieten_collector() -> None:
    """Keep what is loaded by now out of the garbage collector, and let batches be its measure.

    A batch makes some ten thousand short-lived objects; by default they are walked many times.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 20)


def _share_the_processor() -> None:
    """Let the consumer's thread and the loop wait half a millisecond for each other.

    By default a thread that wants to run waits for 5 ms while another one computes: a mention
    changes threads four times on its way.
    """
    sys.setswitchinterval(0.0005)


def _use_uvloop() -> None:
    try:
        mode.loop.use("uvloop")
    except ImportError:
        _log.info("uvloop is not installed: going on without")
