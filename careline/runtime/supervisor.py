"""Keeps the roles of one machine running, as child processes that start and stop together.

Promise: a role that dies is started again, after a pause that doubles up to a bound and is short
again once it has run well; a role that says by exit code 2 that it is set up wrongly, and has not
run well before, is not restarted but ends the whole, with its own last line as the reason. SIGTERM
goes to every child at once, and what has not ended within the bound is killed. Children never
outlive their parent (`careline.runtime.tether`). It knows no case and no role by name.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from careline.runtime.errors import ConfigurationError
from careline.runtime.tether import tethered

if TYPE_CHECKING:
    from types import TracebackType

SETTINGS_WRONG: Final = 2
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0
_RAN_WELL_S: Final = 20.0
_LINE_LIMIT: Final = 256 * 1024
_REMEMBERED_LINES: Final = 20

OnLine = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One process to keep running: its name, its command line, its whole environment."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    may_end: bool = False
    """Exit code 0 says that its work is done; else a role that ends is started again."""


@dataclass(slots=True)
class _Child:
    role: Role
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_LINES))


class Supervisor:
    """The roles of one machine, started by `async with` and watched by `failed()`."""

    def __init__(
        self,
        roles: Sequence[Role],
        *,
        on_line: OnLine,
        stop_within: float = 20.0,
        well_after: float = _RAN_WELL_S,
    ) -> None:
        """Remember what to start; `on_line` gets each line a role writes, with the role's name."""
        self._children = {role.name: _Child(role) for role in roles}
        self._on_line = on_line
        self._stop_within = stop_within
        self._well_after = well_after
        self._stopping = asyncio.Event()
        self._failure: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each role that runs now."""
        return {
            name: child.process.pid
            for name, child in self._children.items()
            if child.process is not None and child.process.returncode is None
        }

    @property
    def starts(self) -> Counter[str]:
        """How often each role was started."""
        return Counter({name: child.starts for name, child in self._children.items()})

    async def __aenter__(self) -> Self:
        """Start every role."""
        self._failure = asyncio.get_running_loop().create_future()
        for child in self._children.values():
            self._start(child)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop every role, whatever happened inside."""
        await self.stop()

    def add(self, role: Role) -> None:
        """Start one more role."""
        child = self._children[role.name] = _Child(role)
        self._start(child)

    async def failed(self) -> None:
        """Wait until a role says that it is set up wrongly. Raises ConfigurationError."""
        if self._failure is None:
            raise ConfigurationError("the supervisor was not started")
        await asyncio.shield(self._failure)

    def kill(self, name: str) -> int:
        """SIGKILL a role and return its pid; it is restarted like any dead role."""
        process = self._children[name].process
        if process is None or process.returncode is not None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        return process.pid

    async def stop(self) -> tuple[str, ...]:
        """Stop all by SIGTERM, after the bound by SIGKILL; return whom the latter hit."""
        self._stopping.set()
        for child in self._children.values():
            if child.process is not None and child.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGTERM)
        killed: list[str] = []
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._stop_within)
            if late:
                killed = [name for name in self.pids if self.kill(name)]
                await asyncio.wait(self._tasks, timeout=self._stop_within)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._failure is not None and not self._failure.done():
            self._failure.cancel()
        return tuple(killed)

    def _start(self, child: _Child) -> None:
        name = f"supervise {child.role.name}"
        self._tasks.append(asyncio.create_task(self._keep(child), name=name))

    async def _keep(self, child: _Child) -> None:
        pause = _FIRST_PAUSE_S
        well = False
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._run(child)
            if self._stopping.is_set():
                return
            if code == 0 and child.role.may_end:
                self._on_line(child.role.name, "has done its work")
                return
            # A peer that is away at a start looks like a wrong setting; what ran well was set well.
            if code == SETTINGS_WRONG and not well:
                self._report(child)
                return
            if code != SETTINGS_WRONG and time.monotonic() - started >= self._well_after:
                well = True
                pause = _FIRST_PAUSE_S
            self._on_line(
                child.role.name, f"ended with {_ending(code)}; starts again in {pause:g} s"
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _run(self, child: _Child) -> int:
        child.starts += 1
        process = await asyncio.create_subprocess_exec(
            *tethered([sys.executable, *child.role.argv]),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env=dict(child.role.environment),
            limit=_LINE_LIMIT,
            # Ctrl-C in a terminal goes to the whole group; the parent stops them in good order.
            start_new_session=True,
        )
        child.process = process
        if self._stopping.is_set():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        await self._listen(child, process)
        return await process.wait()

    async def _listen(self, child: _Child, process: asyncio.subprocess.Process) -> None:
        """Pass on what the child writes, until it ends."""
        if process.stdout is None:
            return
        while True:
            try:
                raw = await process.stdout.readline()
            except ValueError:  # a line above the limit: the reader has dropped it
                continue
            if not raw:
                return
            line = raw.decode("utf-8", "replace").rstrip()
            child.last_lines.append(line)
            self._on_line(child.role.name, line)

    def _report(self, child: _Child) -> None:
        if self._failure is None or self._failure.done():
            return
        said = next((line for line in reversed(child.last_lines) if line.strip()), "")
        message, _, hint = said.removeprefix("careline: ").partition(" → ")
        self._failure.set_exception(
            ConfigurationError(
                message or f"{child.role.name} cannot run as it is set up", hint=hint
            )
        )


def _ending(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
