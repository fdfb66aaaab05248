"""Ties a child process to the life of the process that started it.

Promise: when the starter is gone, however it went (`kill -9` included), the tethered child is
killed too, so that a demo or a test never leaves a server behind. `python -m
careline.runtime.tether STARTER_PID -- ARGV…` leaves a small watcher process behind and then
*becomes* ARGV, so the child's pid is the server's own.

Not `PR_SET_PDEATHSIG`: the kernel sends that when the *thread* that started the child ends, and a
server started from a thread pool died with the pool. The watcher waits for processes, by pidfd
where the system has it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time

_POLL_S = 0.5
_USAGE_EXIT = 2


def tethered(argv: list[str]) -> list[str]:
    """The command line that runs `argv` tied to the calling process, which must start it."""
    return [sys.executable, "-m", "careline.runtime.tether", str(os.getpid()), "--", *argv]


def free_port() -> int:
    """A loopback port that nothing listens on now; others may take it: check who answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def die_with(starter: int) -> None:
    """Have this process killed as soon as `starter`, its parent, is gone; at once if it is."""
    own = os.getpid()
    try:
        endings = (
            [os.pidfd_open(pid) for pid in (starter, own)] if hasattr(os, "pidfd_open") else []
        )
    except OSError:  # the starter is gone, or the kernel is older than pidfds
        endings = []
    if os.getppid() != starter:
        os._exit(1)
    if os.fork() != 0:
        for ending in endings:
            os.close(ending)
        return
    _watch(starter, own, endings)
    os._exit(0)


def _watch(starter: int, child: int, endings: list[int]) -> None:
    """Wait, as a process of its own, until one of the two is gone; then kill the child."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # A pipe held open here would hide the child's end from whoever reads it.
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            os.close(descriptor)
    if endings:
        select.select(endings, [], [])
    else:
        while os.getppid() == child and _runs(starter):
            time.sleep(_POLL_S)
    if os.getppid() == child:
        os.kill(child, signal.SIGKILL)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(argv: list[str]) -> int:
    """Tie this process to the named starter, then become the command after `--`."""
    match argv:
        case [starter, "--", program, *rest] if starter.isdigit():
            die_with(int(starter))
            os.execvp(program, [program, *rest])  # noqa: S606 - becoming the server is the point
        case _:
            pass
    sys.stderr.write(
        "usage: python -m careline.runtime.tether STARTER_PID -- PROGRAM [ARGUMENT…]\n"
    )
    return _USAGE_EXIT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
