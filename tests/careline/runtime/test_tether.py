"""A tethered child lives exactly as long as the process that started it, and no shorter."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading

from careline.runtime.tether import tethered
from tests.support.processes import alive, gone

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]

WITHOUT_PIDFD = """
import os, sys
if hasattr(os, "pidfd_open"):
    del os.pidfd_open
from careline.runtime.tether import main
main(sys.argv[1:])
"""


async def _starter(script: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )


async def _orphaned_by_kill(starter: asyncio.subprocess.Process) -> int:
    assert starter.stdout is not None
    async with asyncio.timeout(20):
        child = int(await starter.stdout.readline())
        assert await starter.stdout.readline() == b"up\n"
    assert alive(child)
    os.kill(starter.pid, signal.SIGKILL)
    await starter.wait()
    return child


async def test_the_child_is_killed_with_its_starter() -> None:
    starter = await _starter(
        "import subprocess, time; from careline.runtime.tether import tethered\n"
        f"print(subprocess.Popen(tethered({SLEEPER!r})).pid, flush=True); time.sleep(60)"
    )
    await gone(await _orphaned_by_kill(starter))


async def test_the_child_is_killed_with_its_starter_where_there_are_no_pidfds() -> None:
    starter = await _starter(
        "import subprocess, time, os, sys\n"
        f"argv = [sys.executable, '-c', {WITHOUT_PIDFD!r}, str(os.getpid()), '--', *{SLEEPER!r}]\n"
        "print(subprocess.Popen(argv).pid, flush=True); time.sleep(60)"
    )
    await gone(await _orphaned_by_kill(starter))


async def test_the_child_outlives_the_thread_that_started_it() -> None:
    started: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(
        target=lambda: started.append(subprocess.Popen(tethered(SLEEPER), stdout=subprocess.PIPE))
    )
    thread.start()
    thread.join()
    child = started[0]
    assert child.stdout is not None
    try:
        assert await asyncio.to_thread(child.stdout.readline) == b"up\n"
        assert child.poll() is None
    finally:
        child.kill()
        child.communicate()


async def test_the_end_of_the_child_is_seen_at_once_and_leaves_no_watcher() -> None:
    child = await asyncio.create_subprocess_exec(
        *tethered([sys.executable, "-c", "print('done')"]), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(10):
        # The pipe ends only when nobody, the watcher included, holds it open.
        output, _ = await child.communicate()
    assert (output, child.returncode) == (b"done\n", 0)


def test_a_child_whose_starter_is_already_gone_does_not_start() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "careline.runtime.tether",
            "1",
            "--",
            sys.executable,
            "-c",
            "print('ran')",
        ],
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (1, b"")


def test_a_wrong_command_line_is_told() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "careline.runtime.tether", "sleep"],
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 2
    assert b"usage:" in done.stderr
