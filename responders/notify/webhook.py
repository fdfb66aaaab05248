"""Signed webhooks by the Standard Webhooks rules: id, timestamp and signature in headers.

Promises: one call a webhook, never a redirect; the id is the effect's, so a repeat after an unknown
outcome is told as one by its receiver. Nothing of the address is in what is reported.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import aiohttp
from standardwebhooks import Webhook as Signer

from careline.ledger.outcomes import Blocked, Done, NotDone, Refused, Report, Unknown
from responders.notify.alerts import Alert
from responders.notify.config import WEBHOOK, Webhook

_RETRY_AFTER_S: Final = 30.0
_RETRY_AFTER_MAX_S: Final = 600.0
_OK: Final = range(200, 300)
_BLOCKED: Final = frozenset({401, 403, 404, 407, 410})
"""The receiver has moved or does not want us: whoever mends that is all that is waited for."""
_UNKNOWN: Final = frozenset({408, 425})


async def send_webhook(
    session: aiohttp.ClientSession, name: str, hook: Webhook, alert: Alert, *, now: datetime
) -> Report:
    """Call one receiver once; return what became of it."""
    body, key = alert.body(), str(alert.data["id"])
    signature = Signer(hook.secret.get_secret_value()).sign(key, now, body)
    headers = {
        "content-type": "application/json",
        "user-agent": "careline",
        "webhook-id": key,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    try:
        async with session.post(
            hook.url.get_secret_value(),
            data=body.encode(),
            headers=headers,
            allow_redirects=False,
        ) as answer:
            return _report(name, key, answer.status, answer.headers.get("retry-after", ""))
    except aiohttp.ClientConnectorError as error:
        # No connection was made, so nothing was sent.
        del error
        return NotDone(_RETRY_AFTER_S)
    except (aiohttp.ClientError, OSError) as error:
        return Unknown(f"{WEBHOOK} {name}: {type(error).__name__}")


def _report(name: str, key: str, status: int, retry_after: str) -> Report:
    says = f"{WEBHOOK} {name}: HTTP {status}"
    if status in _OK:
        return Done(channel=f"{WEBHOOK}:{name}", native_id=key)
    if status == 429:  # noqa: PLR2004 - too many requests
        return NotDone(_seconds(retry_after))
    if status in _BLOCKED:
        return Blocked(says)
    if status in _UNKNOWN or status >= 500:  # noqa: PLR2004 - the receiver's own fault
        return Unknown(says)
    return Refused(f"{says}; redirects are not followed" if status in range(300, 400) else says)


def _seconds(retry_after: str) -> float:
    if not retry_after.isdecimal():
        return _RETRY_AFTER_S
    return min(float(retry_after), _RETRY_AFTER_MAX_S)
