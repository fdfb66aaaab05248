"""`python -m careline.sandbox`: the stand-ins as a process of their own.

Promise: prints one JSON line with addresses and tokens once everything answers, and ends with the
process that started it (its standard input closes), on SIGTERM and on SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from careline.sandbox.common.pace import Pace
from careline.sandbox.common.wire import Json, dumps
from careline.sandbox.server import SandboxConfig, serve


def main() -> None:
    """Read the options and run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m careline.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    for name in ("x", "slack", "control"):
        parser.add_argument(f"--{name}-port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--pace", choices=[pace.value for pace in Pace], default=Pace.NONE)
    parser.add_argument("--window", type=float, default=900.0, help="seconds of an X rate window")
    for name in ("channel", "private-channel", "user", "brand"):
        parser.add_argument(f"--{name}", action="append", default=[], metavar="NAME")
    parser.add_argument("--no-stdin", action="store_true", help="run on when standard input closes")
    options = parser.parse_args()
    config = SandboxConfig(
        host=options.host,
        x_port=options.x_port,
        slack_port=options.slack_port,
        control_port=options.control_port,
        pace=Pace(options.pace),
        window_s=options.window,
        channels=tuple(options.channel),
        private_channels=tuple(options.private_channel),
        users=tuple(options.user),
        brands=tuple(options.brand),
    )
    asyncio.run(_run(config, watch_stdin=not options.no_stdin))


async def _run(config: SandboxConfig, *, watch_stdin: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        watcher = None
        if watch_stdin:
            watcher = group.create_task(_until_parent_ends(stop), name="watch stdin")
        await serve(config, announce=_announce, stop=stop)
        if watcher is not None:
            watcher.cancel()


def _announce(addresses: Json) -> None:
    sys.stdout.write(dumps(addresses) + "\n")
    sys.stdout.flush()


async def _until_parent_ends(stop: asyncio.Event) -> None:
    """Wait for the end of standard input, without a thread that would keep the process alive."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    try:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    except (OSError, ValueError):
        return
    while await reader.read(4096):
        pass
    stop.set()


if __name__ == "__main__":
    main()
