"""`careline up`: every role on this machine, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Annotated, Final

import typer

from careline.cli import output
from careline.cli.sandbox_process import Furniture
from careline.cli.stage import ROLES, SECOND_PATH, WATCHING, Stage, StagePlan
from careline.config import Account, Brand, CarelineConfig, Channels, load_config
from careline.settings import Settings, load_settings

_EXAMPLE: Final = CarelineConfig(
    brands=(Brand(name="Acme", accounts=(Account(network="x", handle="acme"),)),),
    channels=Channels(mentions="care", direct_messages="care-dms"),
    ops_channel="ops",
)


def up(
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Start Kafka and Valkey too. Nothing is kept.")
    ] = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Stand-ins for X and Slack: no account needed.")
    ] = False,
    kafka: Annotated[str, typer.Option(help="Kafka's HOST:PORT instead of the setting.")] = "",
    redis: Annotated[str, typer.Option(help="Redis' URL instead of the setting.")] = "",
) -> None:
    """Run every role on this machine until Ctrl-C, restarting those that die.

    Missing topics are created. What the roles say goes to standard error, each line with its role.
    With --sandbox and without a careline.yaml, a brand called acme is cared for.

    Example: careline up --embedded --sandbox
    """
    settings = load_settings()
    own = not sandbox or settings.config.exists()
    config = load_config(settings.config) if own else _EXAMPLE
    furniture = None
    if sandbox:
        furniture = Furniture(
            channels=(config.channels.mentions, config.ops_channel),
            private_channels=(config.channels.direct_messages,),
            users=tuple(config.people),
            brands=tuple(account.handle for account in config.accounts("x")),
        )
    second = SECOND_PATH if config.notify.webhooks or config.notify.mail else {}
    plan = StagePlan(
        config=None if own else _EXAMPLE,
        roles={**ROLES, **WATCHING, **second},
        furniture=furniture,
        kafka=kafka,
        redis=redis,
        embedded_kafka=embedded and not kafka,
        embedded_redis=embedded and not redis,
        settings=_of_a_trial(sandbox) | _of_a_terminal(settings),
    )
    asyncio.run(_stay(plan))


def _of_a_trial(sandbox: bool) -> dict[str, str]:
    """Return a quicker pace than networks and their prices allow."""
    names = ("", "DIRECT_MESSAGE_") if sandbox else ()
    return {
        f"CARELINE_X__{name}POLL_{bound}_SECONDS": seconds
        for name in names
        for bound, seconds in (("MIN", "0.5"), ("MAX", "2"))
    }


def _of_a_terminal(settings: Settings) -> dict[str, str]:
    """Return how roles log when a person reads along; their own output is a pipe to here."""
    reads_along = sys.stderr.isatty() and settings.log_json is None
    return {"CARELINE_LOG_JSON": "false"} if reads_along else {}


async def _stay(plan: StagePlan) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Stage(plan, say=output.tell, on_line=_tell_line) as stage:
        output.tell("careline is up; Ctrl-C stops it")
        await until_stopped(stage, stop)
        output.tell("stopping…")


async def until_stopped(stage: Stage, stop: asyncio.Event) -> None:
    """Wait for a signal, or for a role that cannot run. Raises its ConfigurationError."""
    waits = [
        asyncio.create_task(stop.wait(), name="signal"),
        asyncio.create_task(stage.supervisor.failed(), name="failed role"),
    ]
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def _tell_line(role: str, line: str) -> None:
    output.tell(f"{role:<9} | {line}")
