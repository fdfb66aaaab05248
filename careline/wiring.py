"""The composition root: from settings and careline.yaml to the configuration of each role, and its
run.

Promise: reads from top to bottom; every role gets one frozen value of its own kind and nothing of
the environment. A role's code is imported only where that role runs, so that one part's libraries
do not slow or break another.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from careline.config import CarelineConfig
from careline.domain.routing import OPERATIONS, queue_of
from careline.runtime import topics_admin
from careline.runtime.errors import ConfigurationError
from careline.runtime.log import configure_logging
from careline.runtime.redis import assert_durable, connect
from careline.settings import Settings, speed_of
from schemas.mentions import Visibility
from schemas.topics import TOPICS

if TYPE_CHECKING:
    from connectors.config import ConnectorsConfig
    from connectors.x.config import XConfig
    from responders.slack.config import SlackConfig
    from streams.config import WorkerConfig

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RoleWords:
    """How a role is called on the command line."""

    words: tuple[str, ...]


WORKER: Final = RoleWords(("worker",))
CONNECTOR_X: Final = RoleWords(("connector", "x"))
CONNECTOR_REPLAY: Final = RoleWords(("connector", "replay"))
RESPONDER_SLACK: Final = RoleWords(("responder", "slack"))
RESPONDER_NOTIFY: Final = RoleWords(("responder", "notify"))
AUDITOR: Final = RoleWords(("auditor",))
ROLES: Final = (
    *(WORKER, CONNECTOR_X, CONNECTOR_REPLAY),
    *(RESPONDER_SLACK, RESPONDER_NOTIFY, AUDITOR),
)


def topics_on_broker(settings: Settings) -> topics_admin.TopicsOnBroker:
    """Return where the topics are, and the table they are held against."""
    return topics_admin.TopicsOnBroker(
        bootstrap=settings.kafka.brokers,
        partitions=settings.kafka.partitions,
        topics=TOPICS,
    )


def worker_config(settings: Settings, config: CarelineConfig) -> WorkerConfig:
    """Return what a worker is told."""
    from careline.triage.choice import check_choice  # noqa: PLC0415 - see the module's promise
    from careline.wiring_roles import triage_choice  # noqa: PLC0415 - as above
    from streams.config import WorkerConfig  # noqa: PLC0415 - as above

    triage = triage_choice(settings)
    check_choice(triage)  # what is wrong with it is told before anything runs
    return WorkerConfig(
        bootstrap=settings.kafka.brokers,
        redis_url=settings.redis.url,
        policy=config.service_levels.policy(settings.kafka.partitions),
        triage=triage,
        development=settings.dev,
        session_timeout=settings.kafka.session_seconds,
        spool=spool(settings),
    )


def slack_config(settings: Settings, config: CarelineConfig) -> SlackConfig:
    """Return what the Slack responder is told."""
    from responders.slack.config import Person, SlackConfig  # noqa: PLC0415 - as above

    bot, app = settings.slack.bot_token, settings.slack.app_token
    if bot is None or app is None:
        missing = "CARELINE_SLACK__BOT_TOKEN" if bot is None else "CARELINE_SLACK__APP_TOKEN"
        raise ConfigurationError(
            f"slack: {missing} is not set",
            hint="set it (see .env.example), or try without an account: careline demo",
        )
    channels = {OPERATIONS: config.ops_channel}
    for brand in config.brands:
        for account in brand.accounts:
            chosen = config.channels_of(account.handle)
            channels[queue_of(account.handle, Visibility.PUBLIC)] = chosen.mentions
            channels[queue_of(account.handle, Visibility.DIRECT)] = chosen.direct_messages
    return checked(
        "slack",
        lambda: SlackConfig(
            bot_token=bot,
            app_token=app,
            base_url=settings.slack.base_url,
            kafka=settings.kafka.brokers,
            redis=settings.redis.url,
            partitions=settings.kafka.partitions,
            channels=channels,
            groups={group: config.slack_ids(group) for group in config.groups},
            people={
                person.slack: Person(name=name, roles=frozenset(person.roles))
                for name, person in config.people.items()
            },
            paced=settings.slack.paced,
            landing=settings.slack.landing_seconds,
        ),
    )


def x_configs(settings: Settings, config: CarelineConfig) -> tuple[XConfig, ...]:
    """Return how each brand account on X is read and answered."""
    from connectors.x.config import XConfig  # noqa: PLC0415 - as above

    accounts = config.accounts("x")
    if not accounts:
        raise ConfigurationError(
            f"x: {settings.config} names no account on X", hint="add one under brands: accounts:"
        )
    x = settings.x
    found: list[XConfig] = []
    for account in accounts:
        keys = x.accounts.get(account.handle.lower())
        only = len(accounts) == 1
        token = keys.access_token if keys else x.access_token if only else None
        secret = keys.access_token_secret if keys else x.access_token_secret if only else None
        if x.bearer_token is None and (token is None or x.consumer_key is None):
            where = "" if only else f"ACCOUNTS__{account.handle.upper()}__"
            raise ConfigurationError(
                f"x: no credentials for @{account.handle}",
                hint=f"set CARELINE_X__CONSUMER_KEY, CARELINE_X__{where}ACCESS_TOKEN and their "
                "secrets (see .env.example), or try without an account: careline demo",
            )

        given: dict[str, Any] = {
            "account": account.handle,
            "handle": account.handle,
            "user_id": account.id,
            "base_url": x.base_url,
            "bearer_token": x.bearer_token,
            "consumer_key": x.consumer_key,
            "consumer_secret": x.consumer_secret,
            "access_token": token,
            "access_token_secret": secret,
            "direct_messages": x.direct_messages,
            "since": x.since,
            "poll_min_s": x.poll_min_seconds,
            "poll_max_s": x.poll_max_seconds,
            "dm_poll_min_s": x.direct_message_poll_min_seconds,
            "dm_poll_max_s": x.direct_message_poll_max_seconds,
            "watch_every_s": x.watch_every_seconds,
        }
        found.append(checked(f"x: @{account.handle}", partial(XConfig, **given)))
    return tuple(found)


def connectors_config(
    settings: Settings, config: CarelineConfig, *, network: str
) -> ConnectorsConfig:
    """Return what a connector process is told: the accounts of a network, or a file."""
    from connectors.config import ConnectorsConfig  # noqa: PLC0415 - as above
    from connectors.replay.config import ReplayConfig  # noqa: PLC0415 - as above

    replay: tuple[ReplayConfig, ...] = ()
    if network == "replay":
        file = settings.replay.file
        if file is None:
            raise ConfigurationError(
                "replay: CARELINE_REPLAY__FILE is not set", hint="or use: careline replay FILE"
            )
        check_readable(file)
        made = partial(
            ReplayConfig,
            path=file,
            columns=dict(settings.replay.columns),
            speed=speed_of(settings.replay.speed),
            limit=settings.replay.limit,
        )
        replay = (checked("replay", made),)
    return ConnectorsConfig(
        kafka_bootstrap=settings.kafka.brokers,
        redis_url=settings.redis.url.get_secret_value(),
        partitions=settings.kafka.partitions,
        x=x_configs(settings, config) if network == "x" else (),
        replay=replay,
        reply_landing_s=settings.x.landing_seconds,
        reply_unsettled_s=settings.x.reply_unsettled_seconds,
        spool=spool(settings),
    )


def spool(settings: Settings) -> Path:
    """Return the folder of large dead letters, whose names stand in Kafka for every process."""
    return settings.state_dir.absolute() / "dead-letters"


def run_role(role: RoleWords, settings: Settings, config: CarelineConfig) -> int:
    """Run a role until SIGTERM or SIGINT and return its exit code. Raises ConfigurationError."""
    configure_logging(settings.log_level, json=settings.log_json, role=" ".join(role.words))
    if role is WORKER:
        from streams.worker import run_worker  # noqa: PLC0415 - as above

        return run_worker(worker_config(settings, config))
    return _run(partial(_edge, role, settings, config))


async def _edge(
    role: RoleWords, settings: Settings, config: CarelineConfig, stop: asyncio.Event
) -> None:
    if role is RESPONDER_SLACK:
        from responders.slack.app import run_slack  # noqa: PLC0415 - as above

        slack = slack_config(settings, config)
        await topics_admin.require_topics(topics_on_broker(settings))
        await run_slack(slack, stop=stop)
        return
    if role is RESPONDER_NOTIFY:
        from careline.wiring_roles import notify_config  # noqa: PLC0415 - as above
        from responders.notify.app import run_notify  # noqa: PLC0415 - as above

        notify = notify_config(settings, config)
        await topics_admin.require_topics(topics_on_broker(settings))
        await run_notify(notify, stop=stop)
        return
    if role is AUDITOR:
        from careline.ledger.auditing.app import run_auditor  # noqa: PLC0415 - as above
        from careline.wiring_roles import auditor_config  # noqa: PLC0415 - as above

        auditor = auditor_config(settings)
        await topics_admin.require_topics(topics_on_broker(settings))
        await run_auditor(auditor, stop=stop)
        return
    from connectors.runner import run_connectors  # noqa: PLC0415 - as above

    network = role.words[-1]
    connectors = connectors_config(settings, config, network=network)
    await topics_admin.require_topics(topics_on_broker(settings))
    await _require_ledger(settings)
    await run_connectors(connectors, stop=stop)


async def _require_ledger(settings: Settings) -> None:
    client = connect(settings.redis.url.get_secret_value())
    try:
        await assert_durable(client, dev=settings.dev)
    finally:
        await client.aclose()


def _run(work: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run an edge on the fastest loop there is, until it ends or a signal stops it."""

    async def until_stopped() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await work(stop)

    factory = None
    with suppress(ImportError):  # absent on Windows
        import uvloop  # noqa: PLC0415 - see above

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(until_stopped())
    return 0


def checked(what: str, make: Callable[[], T]) -> T:
    """Return what `make` makes; what its model refuses becomes a ConfigurationError."""
    try:
        return make()
    except ValidationError as error:
        problems = "; ".join(
            found["msg"].removeprefix("Value error, ")
            for found in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(
            f"{what}: {problems}", hint="correct the settings or careline.yaml"
        ) from None


def check_readable(file: Path) -> None:
    """Return if a file can be read. Raises ConfigurationError."""
    try:
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be read ({error.strerror or type(error).__name__})",
            hint="name a file that this user may read",
        ) from None


def run_replay(settings: Settings, config: CarelineConfig) -> int:
    """Publish the posts of a file and return the exit code. Raises ConfigurationError."""
    return run_role(CONNECTOR_REPLAY, settings, config)
