"""What tweepy, aiohttp and X say, in our words: one table, first match wins.

Promise: every exception that a call can raise becomes one of `connectors.errors`; none carries a
message text or a secret. What is not clearly refused is unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import aiohttp
import tweepy

from connectors.errors import (
    AccessDenied,
    BudgetExhausted,
    DuplicateText,
    OutcomeUnknown,
    RateLimited,
    Refused,
    TargetGone,
)

if TYPE_CHECKING:
    from careline.runtime.errors import CarelineError

DEFAULT_WAIT_S: Final = 60.0
"""After a 429 that does not say how long, as X's guide asks."""
BUDGET_WAIT_S: Final = 3600.0
WAIT_MAX_S: Final = 24 * 3600.0
_UNAUTHORIZED: Final = 401
_PAYMENT_REQUIRED: Final = 402
_TIMEOUT: Final = 408
_TOO_MANY: Final = 429
_BLOCKED_WORDS: Final = ("suspended", "locked", "not permitted to perform", "oauth", "permissions")
_GONE_WORDS: Final = ("deleted or not visible", "cannot send a direct message", "could not find")

Head = Mapping[str, str]


def translate(error: Exception, what: str, head: Head | None = None) -> CarelineError:
    """Return our error for one that a call of `what` raised; `head` are the answer's headers."""
    for kind, made in _TABLE:
        if isinstance(error, kind):
            return made(error, what, head or {})
    return OutcomeUnknown(f"x: {what}: {type(error).__name__}")


def wait_of(head: Head, now: float | None = None) -> float:
    """Return how long X asks to wait, by `Retry-After` or `x-rate-limit-reset`."""
    now = time.time() if now is None else now
    after, reset = head.get("Retry-After", ""), head.get("x-rate-limit-reset", "")
    if after.isdecimal():
        return min(float(after), WAIT_MAX_S)
    if reset.isdecimal():
        return min(max(float(reset) - now, 0.0) + 1.0, WAIT_MAX_S)
    return DEFAULT_WAIT_S


def _too_many(_error: Exception, what: str, head: Head) -> CarelineError:
    return RateLimited(f"x: {what}: rate limit", retry_after=wait_of(head))


def _unauthorized(_error: Exception, what: str, _head: Head) -> CarelineError:
    hint = "renew the account's tokens and restart the connector"
    return AccessDenied(f"x: {what}: the tokens are not accepted (401)", hint=hint)


def _forbidden(error: Exception, what: str, _head: Head) -> CarelineError:
    said = _detail(error).lower()
    if "duplicate content" in said:
        return DuplicateText(f"x: {what}: the account has posted this text already")
    if any(word in said for word in _GONE_WORDS):
        return TargetGone(f"x: {what}: the post or person cannot be reached any more")
    if any(word in said for word in _BLOCKED_WORDS):
        hint = "look at the account and the app's rights on X"
        return AccessDenied(f"x: {what}: the account may not do this (403)", hint=hint)
    return Refused(f"x: {what}: refused: {_reason(said)}")


def _not_found(_error: Exception, what: str, _head: Head) -> CarelineError:
    return TargetGone(f"x: {what}: not there (404)")


def _bad_request(_error: Exception, what: str, _head: Head) -> CarelineError:
    return Refused(f"x: {what}: X does not understand the request (400)")


def _server_error(_error: Exception, what: str, _head: Head) -> CarelineError:
    return OutcomeUnknown(f"x: {what}: server error")


def _other_status(error: Exception, what: str, head: Head) -> CarelineError:
    status = int(getattr(getattr(error, "response", None), "status", 0))
    return of_status(status, what, head)


def _not_json(error: Exception, what: str, head: Head) -> CarelineError:
    # Trap: tweepy lets aiohttp's own error out when a refusal is no JSON (field notes 3.2, 3).
    return of_status(int(getattr(error, "status", 0) or 0), what, head)


def of_status(status: int, what: str, head: Head) -> CarelineError:
    """Return our error for a status alone, where the body says nothing."""
    if status == _PAYMENT_REQUIRED:
        hint = "buy credits or read less often; mentions and DMs wait"
        return BudgetExhausted(
            f"x: {what}: budget exhausted (402)", hint=hint, retry_after=BUDGET_WAIT_S
        )
    if status == _TOO_MANY:
        return RateLimited(f"x: {what}: rate limit", retry_after=wait_of(head))
    if status == _UNAUTHORIZED:
        return _unauthorized(Exception(), what, head)
    if 400 <= status < 500 and status != _TIMEOUT:  # noqa: PLR2004 - HTTP's client errors
        return Refused(f"x: {what}: refused with status {status}")
    return OutcomeUnknown(f"x: {what}: no clear answer (status {status})")


def _network(error: Exception, what: str, _head: Head) -> CarelineError:
    return OutcomeUnknown(f"x: {what}: {type(error).__name__}")


_Maker = Callable[[Exception, str, Head], "CarelineError"]
_TABLE: Final[tuple[tuple[type[Exception], _Maker], ...]] = (
    (tweepy.TooManyRequests, _too_many),
    (tweepy.Unauthorized, _unauthorized),
    (tweepy.Forbidden, _forbidden),
    (tweepy.NotFound, _not_found),
    (tweepy.BadRequest, _bad_request),
    (tweepy.TwitterServerError, _server_error),
    (tweepy.HTTPException, _other_status),
    (aiohttp.ContentTypeError, _not_json),
    (aiohttp.ClientError, _network),
    (TimeoutError, _network),
    (OSError, _network),
    (ValueError, _network),
)


def _detail(error: Exception) -> str:
    """Return what X said of a refusal; tweepy puts it into the exception's text."""
    return str(error)


def _reason(said: str) -> str:
    """Name a refusal in words that an agent can use; X's own words may quote a text."""
    if "too long" in said:
        return "the text is too long"
    if "not been mentioned" in said or "not allowed because" in said:
        return "X lets us reply only to authors who mentioned or quoted us"
    return "not allowed (403)"
