"""The Socket Mode connections, watched: a silent one is rebuilt, none at all is an alarm.

Promise: a connection that answers no ping for `silent_after` seconds is replaced, whatever the SDK
thinks of it; without any for `alarm_after` the responder ends with an error, so that its
supervisor starts it anew.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from careline.runtime.clock import Clock
from careline.runtime.errors import Unavailable
from responders.slack.client import quiet_logger
from responders.slack.config import SlackConfig

PING_S: Final = 5.0
_LOOKS: Final = 4
"""How often a connection is looked at within the time that it may be silent."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Line:
    handler: AsyncSocketModeHandler
    heard_at: float


class Sockets:
    """Keeps `connections` sockets open; Slack sends each payload over one of them."""

    def __init__(self, app: AsyncApp, config: SlackConfig, clock: Clock) -> None:
        """Prepare; nothing is opened yet."""
        self._app = app
        self._config = config
        self._clock = clock
        self._ping = min(PING_S, config.silent_after / _LOOKS)
        self._lines: list[_Line | None] = [None] * config.connections
        self.rebuilt = 0

    @property
    def open(self) -> int:
        """How many connections were heard of lately."""
        return sum(line is not None for line in self._lines)

    async def run(self) -> None:
        """Open the connections and watch them, for ever. Raises ``Unavailable``."""
        well_at = self._clock.monotonic()
        try:
            while True:
                await asyncio.gather(*(self._tend(place) for place in range(len(self._lines))))
                now = self._clock.monotonic()
                if self.open:
                    well_at = now
                elif now - well_at > self._config.alarm_after:
                    raise Unavailable(
                        f"slack: no socket could be opened for {self._config.alarm_after:g} s",
                        hint="is apps.connections.open allowed to this app token, and Slack up?",
                    )
                await self._clock.sleep(self._config.silent_after / _LOOKS)
        finally:
            await self._close_all()

    async def _tend(self, place: int) -> None:
        line = self._lines[place]
        if line is not None:
            if await self._is_heard(line):
                return
            _log.warning("slack socket is silent, opening another", place=place)
            self._lines[place] = None
            self.rebuilt += 1
            await _close(line.handler)
        self._lines[place] = await self._opened()

    async def _is_heard(self, line: _Line) -> bool:
        """Say whether the connection answered a ping lately."""
        now, wall = self._clock.monotonic(), self._clock.now().timestamp()
        pong = line.handler.client.last_ping_pong_time
        if pong is not None and not line.handler.client.closed:
            line.heard_at = max(line.heard_at, now - max(0.0, wall - pong))
        return now - line.heard_at <= self._config.silent_after

    async def _opened(self) -> _Line | None:
        handler = AsyncSocketModeHandler(
            self._app,
            self._config.app_token.get_secret_value(),
            logger=quiet_logger("slack_sdk.careline.socket"),
            web_client=self._web(),
            ping_interval=self._ping,
        )
        try:
            # The SDK tries for ever by itself; the watch above is what gives up.
            async with asyncio.timeout(self._config.silent_after):
                await handler.connect_async()  # type: ignore[no-untyped-call]
        except TimeoutError:
            await _close(handler)
            return None
        except BaseException:
            await _close(handler)
            raise
        return _Line(handler, self._clock.monotonic())

    def _web(self) -> AsyncWebClient:
        return AsyncWebClient(
            token=self._config.bot_token.get_secret_value(),
            base_url=self._config.base_url,
            timeout=int(self._config.request_timeout) or 1,
            logger=quiet_logger(),
            retry_handlers=[],
        )

    async def _close_all(self) -> None:
        lines, self._lines = self._lines, [None] * len(self._lines)
        await asyncio.gather(*(_close(line.handler) for line in lines if line is not None))


async def _close(handler: AsyncSocketModeHandler) -> None:
    try:
        async with asyncio.timeout(PING_S):
            await handler.close_async()  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 - it is given up: whatever ails it ends here
        _log.info("slack socket did not close cleanly", error=type(error).__name__)
