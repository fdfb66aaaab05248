"""The Faust app of a worker, set up so that it can only carry events: no tables, no web, no leader.

Promises: nothing happens at import; an app is made by a call, touches no loop, and agents are
registered on it by functions. Every setting that keeps Faust at least once stands here, with
`check` as the proof at start; why each is as it is: docs/architecture.md, and the tests that kill
workers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import faust
from faust import streams as faust_streams
from yarl import URL

from careline.runtime.brokers import client_options
from careline.runtime.errors import ConfigurationError
from streams.config import WorkerConfig
from streams.transport import App

HEARTBEAT_S: Final = 2.0
MAX_POLL_INTERVAL_S: Final = 3600.0  # above the longest outage that is waited out inside a batch
_BUFFER: Final = 4096
_POLL_RECORDS: Final = 1000


def create_app(config: WorkerConfig) -> faust.App:
    """Return a new app without agents."""
    return App(
        config.group,
        broker=[URL(f"kafka://{each.strip()}") for each in str(config.bootstrap).split(",")],
        broker_credentials=_credentials(client_options(config.bootstrap)),
        # A folder that nothing is written to: only tables would, and there are none.
        datadir=str(Path(tempfile.gettempdir()) / "careline-worker"),
        autodiscover=False,
        store="memory://",
        processing_guarantee="at_least_once",
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
        # The broker side.
        broker_commit_interval=1.0,
        broker_session_timeout=config.session_timeout,
        broker_heartbeat_interval=min(HEARTBEAT_S, config.session_timeout / 3),
        broker_request_timeout=max(40.0, config.session_timeout * 2),
        broker_max_poll_interval=MAX_POLL_INTERVAL_S,
        broker_max_poll_records=_POLL_RECORDS,
        broker_check_crcs=True,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 * 1024 * 1024,
        # The agents' side.
        agent_supervisor="mode.OneForOneSupervisor",
        stream_buffer_maxsize=_BUFFER,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        # Faust's own producer sends nothing of ours; it is made safe all the same.
        producer_acks=-1,
        producer_request_timeout=60.0,
        # Topics are made by `careline topics apply`, never by a worker.
        topic_allow_declare=False,
        topic_disable_leader=True,
        worker_redirect_stdouts=False,
    )


def raw_topic(app: faust.App, name: str) -> Any:
    """Return a topic whose records stay bytes: decoding is the body's business, inside its try."""
    return app.topic(
        name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        internal=False,
        allow_empty=True,
    )


def _credentials(options: Mapping[str, object]) -> faust.auth.Credentials | None:
    """Return for Faust what aiokafka's own clients take as arguments."""
    context = options.get("ssl_context")
    if str(options.get("security_protocol", "")).startswith("SASL"):
        return faust.SASLCredentials(
            username=options.get("sasl_plain_username"),
            password=options.get("sasl_plain_password"),
            ssl_context=context,
            mechanism=options.get("sasl_mechanism", "PLAIN"),
        )
    return faust.SSLCredentials(context) if context is not None else None


def check(app: faust.App) -> None:
    """Return if the app is as safe as it must be. Raises ConfigurationError.

    Each line is a way in which Faust is known to lose events or to listen where nobody looks.
    """
    conf = app.conf
    wrong = [
        what
        for what, is_wrong in (
            ("Faust lacks its C extension", faust_streams._CStreamIterator is None),  # noqa: SLF001
            ("Faust would serve HTTP", conf.web_enabled),
            ("Faust would make topics", conf.topic_allow_declare),
            ("Faust would elect a leader", not conf.topic_disable_leader),
            ("processing is not at least once", conf.processing_guarantee.value != "at_least_once"),
            ("an agent has a concurrency", any(a.concurrency != 1 for a in app.agents.values())),
            ("there is a table", len(app.tables) > 0),
        )
        if is_wrong
    ]
    if wrong:
        raise ConfigurationError(
            "; ".join(wrong), hint="install the locked requirements and leave Faust's own alone"
        )
