"""Runs a synchronous object in a process of its own, within a bound of time.

Promise: a call returns what the method returned, raises `Raised` with the kind of what it raised
(never its words: they may quote a customer), or `TimeoutError` after its budget. The event loop is
never blocked and its processor never shared; whatever hangs is killed and the next call gets a new
process. When the starter is gone, however it went, the helper reads the end of its input and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Final

_LENGTH: Final = struct.Struct("!Q")
_START_S: Final = 60.0
"""For the imports and the model of a new process, on a machine that is busy."""
_END_S: Final = 2.0


class Raised(Exception):
    """The object's method, or its making, raised; says the kind and the place."""


class Ended(Exception):
    """The helper's process ended in the middle of a call: killed, or out of memory."""


class Helper:
    """One process for one object; started by the first call, or by `start`."""

    def __init__(self, name: str, make: Callable[[], object]) -> None:
        """`make` returns the object; it travels to the process, so it can be pickled."""
        self.name = name
        self.hung = 0
        """How many processes had to be killed because a call took too long."""
        self._make = make
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Have the process ready before the first call. Raises `Raised` if `make` does."""
        async with self._turn:
            await self._started()

    async def call(self, method: str, *given: object, within: float) -> Any:
        """Return what the object's method returns. Raises TimeoutError after `within` seconds."""
        async with self._turn:
            process = await self._started()
            try:
                async with asyncio.timeout(within):
                    return await _exchange(process, (method, given))
            except TimeoutError:
                self.hung += 1
                await self._stop()
                raise TimeoutError(f"{self.name} took more than {within:g} s") from None
            except (Ended, asyncio.CancelledError):
                # Its answer is not for the next caller.
                await self._stop()
                raise

    async def close(self) -> None:
        """End the process; a call in hand comes first."""
        async with self._turn:
            await self._stop()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None:
            return self._process
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            # What can be imported here can be imported there.
            f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import serve; serve()",
            *sys.path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_START_S):
                await _exchange(process, self._make)
        except BaseException:
            await self._stop()
            raise
        return process

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await process.wait()


async def _exchange(process: asyncio.subprocess.Process, said: object) -> Any:
    """Say one thing and return the answer."""
    to, of = process.stdin, process.stdout
    if to is None or of is None:  # pragma: no cover - both were asked for
        raise Ended("the helper has no pipes")
    body = pickle.dumps(said, pickle.HIGHEST_PROTOCOL)
    try:
        to.write(_LENGTH.pack(len(body)))
        to.write(body)
        await to.drain()
        (length,) = _LENGTH.unpack(await of.readexactly(_LENGTH.size))
        answer = await of.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Ended("the helper's process ended in the middle of a call") from error
    went, found = pickle.loads(answer)  # noqa: S301 - our own process, over a pipe of our own
    if not went:
        raise Raised(found)
    return found


# -- the other side -------------------------------------------------------------------------------


def serve() -> None:
    """Make the object and answer calls until the input ends. Runs in the helper's process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # who started it decides when it ends
    # What a library prints must not stand between two answers.
    with os.fdopen(os.dup(0), "rb") as asked, os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        made: Any = None
        while (said := _heard(asked)) is not None:
            try:
                if made is None:
                    made = said()
                    answer: tuple[bool, object] = (True, None)
                else:
                    method, given = said
                    answer = (True, getattr(made, method)(*given))
                body = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
            except Exception as error:  # noqa: BLE001 - it belongs to the caller
                body = pickle.dumps((False, type(error).__name__), pickle.HIGHEST_PROTOCOL)
            try:
                answers.write(_LENGTH.pack(len(body)) + body)
                answers.flush()
            except BrokenPipeError:
                os._exit(0)  # who asked is gone; nothing is left to write, or to say


def _heard(asked: BinaryIO) -> Any:
    """Return what is asked next; None once nobody is there to ask."""
    head = asked.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = asked.read(length)
    return pickle.loads(body) if len(body) == length else None  # noqa: S301 - as above
