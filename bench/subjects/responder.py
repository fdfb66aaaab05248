"""careline's own Slack responder, as `careline run responder slack` starts it, on the sandbox.

Promise: nothing of the product is replaced. Slack's pace is off, because the sandbox has none.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import uvloop

from responders.slack.app import run_slack
from responders.slack.config import SlackConfig


async def run(settings: dict[str, object]) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_slack(SlackConfig.model_validate(settings), stop=stop)


def main(settings: str) -> None:
    """Run with settings as JSON."""
    uvloop.run(run(json.loads(settings)))


if __name__ == "__main__":
    main(sys.argv[1])
