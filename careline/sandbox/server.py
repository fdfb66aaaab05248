"""Runs the stand-in X, the stand-in Slack and their control API on loopback ports.

Promise: inside `async with Sandbox(...)` all three answer; afterwards nothing of them runs. They
never listen on anything but the address given, which is loopback unless told otherwise.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from aiohttp import web

from careline.sandbox import control
from careline.sandbox.common.faults import FaultPlan
from careline.sandbox.common.history import History
from careline.sandbox.common.pace import Pace
from careline.sandbox.common.wire import Background, Json
from careline.sandbox.slack import app as slack_app
from careline.sandbox.slack.calls import SlackServer
from careline.sandbox.slack.socket import ACK_S, Sockets
from careline.sandbox.slack.workspace import TRIGGER_S, Workspace
from careline.sandbox.x import app as x_app
from careline.sandbox.x.access import XServer
from careline.sandbox.x.store import XStore

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import TracebackType

SHUTDOWN_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """How the stand-ins run. Port 0 means any free one."""

    host: str = "127.0.0.1"
    x_port: int = 0
    slack_port: int = 0
    control_port: int = 0
    pace: Pace = Pace.NONE
    window_s: float = 900.0
    ack_s: float = ACK_S
    trigger_s: float = TRIGGER_S
    summoned_only: bool = True
    channels: tuple[str, ...] = ()
    private_channels: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()


class Sandbox:
    """Both stand-in networks, in this process."""

    def __init__(self, config: SandboxConfig | None = None) -> None:
        """Prepare; nothing listens yet."""
        self.config = config or SandboxConfig()
        self.history = History()
        self.faults = FaultPlan()
        self._background = Background()
        self._runners: list[web.AppRunner] = []
        shared = (self.history, self.faults, self._background)
        self.x = XServer(XStore(), *shared)
        workspace = Workspace(trigger_s=self.config.trigger_s)
        sockets = Sockets(*shared, ack_s=self.config.ack_s)
        self.slack = SlackServer(workspace, *shared, sockets)
        self.x_url = ""
        self.slack_url = ""
        self.control_url = ""

    @property
    def slack_api_url(self) -> str:
        """What `AsyncWebClient(base_url=...)` takes."""
        return f"{self.slack_url}/api/"

    def describe(self) -> Json:
        """Say where everything is, with the tokens that open it."""
        return {
            "x_url": self.x_url,
            "slack_url": self.slack_url,
            "slack_api_url": self.slack_api_url,
            "control_url": self.control_url,
            "slack_bot_token": self.slack.workspace.bot_token,
            "slack_app_token": self.slack.workspace.app_token,
        }

    async def __aenter__(self) -> Self:
        """Start listening."""
        self._furnish()
        applications = (
            (x_app.build(self.x), self.config.x_port),
            (slack_app.build(self.slack), self.config.slack_port),
            (control.build(self.x, self.slack), self.config.control_port),
        )
        urls = [await self._listen(app, port) for app, port in applications]
        self.x_url, self.slack_url, self.control_url = urls
        self.slack.url = self.slack_url
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening and end everything."""
        await self.slack.sockets.close()
        await self._background.close()
        for runner in reversed(self._runners):
            await runner.cleanup()
        self._runners.clear()

    def _furnish(self) -> None:
        config = self.config
        self.x.pace = self.slack.pace = config.pace
        self.x.window_s = config.window_s
        self.x.summoned_only = config.summoned_only
        for name in config.channels:
            self.slack.workspace.channel(name)
        for name in config.private_channels:
            self.slack.workspace.channel(name, is_private=True)
        for name in config.users:
            self.slack.workspace.user(name)
        for name in config.brands:
            self.x.store.account(name, brand=True)

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=SHUTDOWN_S,
            handler_cancellation=True,
            logger=logging.getLogger("careline.sandbox"),
        )
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, self.config.host, port)
        await site.start()
        number = runner.addresses[0][1]
        return f"http://{self.config.host}:{number}"


async def serve(
    config: SandboxConfig, *, announce: Callable[[Json], None], stop: asyncio.Event
) -> None:
    """Run a sandbox until `stop`; `announce` gets its addresses and tokens once it answers."""
    async with Sandbox(config) as sandbox:
        announce(sandbox.describe())
        await stop.wait()
