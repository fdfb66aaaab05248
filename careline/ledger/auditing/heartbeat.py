"""The dead-man's heartbeat: an outside service is told of every clean round, and alarms if not.

Promises: it is told only when a whole round found nothing, so that silence means trouble, whoever
is dead; a service that does not answer stops no round. The address never shows: it is a secret.
"""

from __future__ import annotations

import aiohttp
import structlog
from pydantic import SecretStr

from careline.runtime.clock import Clock
from careline.runtime.outbound import outbound_session

_TIMEOUT_S = 10.0
_log = structlog.get_logger(__name__)


class Heartbeat:
    """Calls one address, at most once in a while."""

    def __init__(self, url: SecretStr | None, clock: Clock, *, every: float = 60.0) -> None:
        """Without an address it does nothing."""
        self._url = url
        self._clock = clock
        self._every = every
        self._next = 0.0
        self.sent = 0

    async def beat(self) -> bool:
        """Tell of a clean round; return whether the service has heard of it."""
        if self._url is None or self._clock.monotonic() < self._next:
            return False
        try:
            async with (
                outbound_session(timeout=_TIMEOUT_S) as session,
                session.get(self._url.get_secret_value(), allow_redirects=False) as answer,
            ):
                heard = answer.status < 300  # noqa: PLR2004 - anything but a 2xx is a no
                if not heard:
                    _log.warning("heartbeat refused", status=answer.status)
        except (aiohttp.ClientError, OSError) as error:
            _log.warning("heartbeat not heard", code=type(error).__name__)
            return False
        if heard:
            self._next = self._clock.monotonic() + self._every
            self.sent += 1
        return heard
