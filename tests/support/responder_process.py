"""A Slack responder as its own process, told by one JSON argument.

It trusts the certificates that SSL_CERT_FILE names.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from careline.runtime.log import configure_logging
from responders.slack.app import run_slack
from responders.slack.config import SlackConfig


async def main(argument: str) -> None:
    configure_logging("INFO", json=True, role="responder")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_slack(SlackConfig.model_validate(json.loads(argument)), stop=stop)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
