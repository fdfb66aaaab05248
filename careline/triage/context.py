"""What is known of a message beside its text: who writes, and how often and since when unanswered.

Promise: plain facts with defaults that raise nothing, so that whoever knows less says less. It
knows no case: the stream counts messages, it does not ask the ledger.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Context(NamedTuple):
    """The facts beside one text; small, for it travels to the triager's process."""

    vip: bool = False
    """One of the VIPs of the policy."""
    followers: int | None = None
    contacts: int = 1
    """How often the author has written since the brand last answered, this time included."""
    waiting: float = 0.0
    """Seconds since the first of these messages was heard."""
    language_hint: str | None = None
    """The network's own guess of the language."""
    public: bool = False
    """Anybody could read it on the network; only then may its words be shown to a stranger."""


NO_CONTEXT: Final = Context()
