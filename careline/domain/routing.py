"""Which queue a case waits in.

Promises: a direct message never shares a queue with public mentions, so its text cannot reach a
public channel; operations cases have a queue of their own.
"""

from __future__ import annotations

from typing import Final

from schemas.mentions import Visibility

OPERATIONS: Final = "ops"


def queue_of(account: str, visibility: Visibility) -> str:
    """Return the queue of an account's mentions, such as ``acme:public`` or ``acme:direct``."""
    return f"{account}:{visibility}"
