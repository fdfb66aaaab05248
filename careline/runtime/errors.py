"""Errors by what the caller should do about them, not by where they came from.

CarelineError                      code (metric label), message, hint (what to do)
├─ ConfigurationError              → exit 2, or a finding of the doctor; names the setting
├─ RetryableError(retry_after)     → the same record or request again, after this long
│  ├─ RateLimited                    the other side named the time
│  ├─ Unavailable                    it is down, unreachable, or answered nonsense
│  └─ TimedOut                       no answer in time: it may have been done all the same
├─ PermanentError                  → never again in this form; a person must look
│  ├─ AuthenticationFailed           the credential is wrong or revoked
│  ├─ NotPermitted                   the credential is good, and not for this
│  └─ TargetGone                     what it was about is deleted or closed to us
├─ UnprocessableRecord             → dead letter, with its reason
├─ ConflictError                   → a stale action, told kindly to whoever did it
└─ InvariantViolation              → page somebody; never swallowed

Promise: no message text of a customer and no secret ever stands in an error. Refusals of the
domain are values, not errors.
"""

from __future__ import annotations

from typing import ClassVar


class CarelineError(Exception):
    """Base of all our errors: what happened, to which object, and what to do about it."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigurationError(CarelineError):
    """Something is set wrongly or missing; waiting will not help."""

    code = "configuration"


class RetryableError(CarelineError):
    """The same may go through later, after `retry_after` seconds if the other side said so."""

    code = "retryable"

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class RateLimited(RetryableError):
    """The other side wants us to wait; the request was not carried out."""

    code = "rate_limited"


class Unavailable(RetryableError):
    """The other side is down, unreachable, or answered what is no answer."""

    code = "unavailable"


class TimedOut(RetryableError):
    """No answer in time. For a write this means *unknown*, not *failed*."""

    code = "timed_out"


class PermanentError(CarelineError):
    """The same will never go through; a person must look."""

    code = "permanent"


class AuthenticationFailed(PermanentError):
    """The credential is wrong, expired or revoked."""

    code = "authentication_failed"


class NotPermitted(PermanentError):
    """The credential is good, and not for this."""

    code = "not_permitted"


class TargetGone(PermanentError):
    """What the action is about is deleted, archived, or closed to us."""

    code = "target_gone"


class UnprocessableRecord(CarelineError):
    """A record that nothing can read: it goes to the dead letters with its reason."""

    code = "unprocessable"


class ConflictError(CarelineError):
    """Somebody else was first."""

    code = "conflict"


class InvariantViolation(CarelineError):
    """A promise of the product is broken."""

    code = "invariant"
