"""How fast a subject is: it is fed while it sleeps, woken, and watched until all is done.

Promises: a subject is warm before it is measured (it has done some hundreds of records); the clock
and its processor time run from the moment it is woken to the moment when its last record is
committed, acknowledged and sent on. Feeding costs it nothing. A subject that does not get there in
time is an error, never a figure.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bench.machine import ROOT, cpu_seconds
from bench.peers import Records, feed
from careline.runtime.tether import tethered

_READY_WITHIN_S = 60.0
_DONE_WITHIN_S = 120.0
_STOP_WITHIN_S = 15.0
_POLL_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """One run of one subject."""

    events: int
    seconds: float
    cpu_seconds: float
    helpers_seconds: float = 0.0
    """The part of `cpu_seconds` that its child processes used."""

    @property
    def per_second(self) -> float:
        """Records that went all the way, a second."""
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the subject's processor time for each."""
        return self.cpu_seconds / self.events * 1e6

    @property
    def helpers_share(self) -> float:
        """The part of its processor time that its child processes used."""
        return self.helpers_seconds / self.cpu_seconds if self.cpu_seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a subject gets: records by topic, first to warm up, then to be measured."""

    warm: Mapping[str, Records]
    measured: Mapping[str, Records]
    warm_events: int
    events: int


@dataclass(slots=True)
class Subject:
    """A process under measurement, tied to the bench's own life."""

    argv: Sequence[str]
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        command = tethered([self.python, *self.argv])
        output = self.log.open("ab") if self.log else subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(self.environment),
            )
        finally:
            if not isinstance(output, int):
                output.close()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, in good order if it can."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def pid(self) -> int:
        """The process id. Raises RuntimeError if it has ended."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"{self.argv[-1]} ended by itself:\n{self.tail()}")
        return self._process.pid

    def pause(self) -> None:
        """Let it sleep."""
        os.kill(self.pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def tail(self) -> str:
        """Return the end of its log, for an error."""
        if self.log is None or not self.log.exists():
            return ""
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]


def speed_of(subject: Subject, work: Work, *, bootstrap: str, done: Callable[[], int]) -> Speed:
    """Measure a subject that has just been started; ``done`` says how many events are done."""
    feed(bootstrap, work.warm)
    _until(done, work.warm_events, subject, within=_READY_WITHIN_S)
    subject.pause()
    feed(bootstrap, work.measured)
    pid = subject.pid
    used, helped = cpu_seconds(pid)
    subject.wake()
    begin = time.perf_counter()
    _until(done, work.warm_events + work.events, subject, within=_DONE_WITHIN_S)
    seconds = time.perf_counter() - begin
    own, helpers = cpu_seconds(pid)
    return Speed(
        events=work.events,
        seconds=seconds,
        cpu_seconds=own - used + helpers - helped,
        helpers_seconds=helpers - helped,
    )


def _until(done: Callable[[], int], wanted: int, subject: Subject, *, within: float) -> None:
    deadline = time.monotonic() + within
    while (found := done()) < wanted:
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"{subject.argv[1]}: {found} of {wanted} after {within:g} s\n{subject.tail()}"
            )
        _ = subject.pid
        time.sleep(_POLL_S)
