"""The sandbox as a process beside the roles, and its control API as the demo uses it.

Promise: what it answers is what the stand-in servers accepted; it dies with the demo.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import aiohttp

from careline.runtime.children import gone
from careline.runtime.errors import ConfigurationError, Unavailable
from careline.runtime.tether import tethered

_START_S: Final = 20.0
_STOP_S: Final = 5.0
_ANSWER_S: Final = 600.0
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Furniture:
    """What the sandbox holds when it starts."""

    channels: Sequence[str] = ()
    private_channels: Sequence[str] = ()
    users: Sequence[str] = ()
    brands: Sequence[str] = ()

    def arguments(self) -> list[str]:
        """Spell it for the command line."""
        named = (
            ("--channel", self.channels),
            ("--private-channel", self.private_channels),
            ("--user", self.users),
            ("--brand", self.brands),
        )
        return [part for option, values in named for value in values for part in (option, value)]


class SandboxProcess:
    """The stand-in X and Slack; use as `async with`."""

    def __init__(self, furniture: Furniture, *, log: Path) -> None:
        """Remember what to start, and where its complaints go."""
        self._furniture = furniture
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._addresses: Json = {}
        self._http: aiohttp.ClientSession | None = None

    def __getitem__(self, name: str) -> str:
        """Give an address or token, such as `control_url`."""
        return str(self._addresses[name])

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return None if self._process is None else self._process.pid

    async def __aenter__(self) -> Self:
        """Start it and wait until it answers."""
        try:
            self._addresses = await self._start()
        except BaseException:
            await self._end()
            raise
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_S))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it, whatever happened inside."""
        if self._http is not None:
            await self._http.close()
        await self._end()

    async def get(self, path: str, **query: str | int) -> Json:
        """Ask the control API, such as `summary`."""
        return await self._ask("GET", path, query=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """Tell the control API, such as `x/posts`."""
        return await self._ask("POST", path, body=body)

    async def delete(self, path: str) -> Json:
        """Remove by the control API."""
        return await self._ask("DELETE", path)

    async def _start(self) -> Json:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tethered([sys.executable, "-m", "careline.sandbox", *self._furniture.arguments()]),
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                start_new_session=True,
            )
        stdout = self._process.stdout
        line = b""
        if stdout is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_START_S):
                    line = await stdout.readline()
        if not line:
            raise ConfigurationError("the sandbox did not start", hint=f"see {self._log}")
        addresses: Json = json.loads(line)
        return addresses

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Json:
        if self._http is None:
            raise ConfigurationError("the sandbox is not running", hint="use it in `async with`")
        url = f"{self['control_url']}/sandbox/{path}"
        # ASCII: a lone surrogate in a text cannot be spelt in UTF-8.
        data = None if body is None else json.dumps(body).encode("ascii")
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            async with self._http.request(
                method, url, params=query or None, data=data, headers=headers
            ) as answer:
                found: Json = json.loads(await answer.read())
        except (aiohttp.ClientError, OSError) as error:
            why = f"the sandbox does not answer ({type(error).__name__})"
            raise Unavailable(why, hint=f"see {self._log}") from error
        return found

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        await gone(process, within=_STOP_S)
