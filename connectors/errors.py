"""What a network's answers mean, by what the caller should do; each network translates into these.

RetryableError
├─ RateLimited        not done; again after `retry_after`
├─ BudgetExhausted    not done; the account's paid quota is used up: read less, alarm
└─ OutcomeUnknown     a read: again; a write: look first, it may have happened
PermanentError
├─ AccessDenied       not done; tokens, suspension: somebody must mend access, the case stays live
└─ Refused            not done, pointless to repeat: the person is told why
   ├─ TargetGone      what was to be answered is not there any more
   └─ DuplicateText   refused because the same text stands already; after an unknown: look
ConnectorGap          messages of a time can no more be read; a person must know
"""

from __future__ import annotations

from careline.runtime.errors import CarelineError, PermanentError, RetryableError


class RateLimited(RetryableError):
    """The network asked to wait; nothing was done."""


class BudgetExhausted(RetryableError):
    """The account's paid quota is used up; nothing was done."""


class OutcomeUnknown(RetryableError):
    """No clear answer came: what was asked may or may not have been done."""


class AccessDenied(PermanentError):
    """The account may not: token revoked, suspended, or a right is missing."""


class Refused(PermanentError):
    """The network says no to this very request."""


class TargetGone(Refused):
    """The post or person is not there any more."""


class DuplicateText(Refused):
    """The network has the same text of ours already."""


class ConnectorGap(CarelineError):
    """A stretch of a source cannot be read any more."""
