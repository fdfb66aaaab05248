"""Accounts, posts and direct messages as the stand-in X keeps them.

Promise: timelines are ordered by id and answer `since_id` and `until_id` by bisection, so a poll
costs the same with 20,000 posts as with 20. Nothing here speaks HTTP.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from careline.sandbox.common.wire import Json

EPOCH_MS = 1_288_834_974_657
"""Where X's ids start to count milliseconds."""


class Snowflakes:
    """Ids that only grow and carry their time, as X gives them."""

    def __init__(self) -> None:
        """Start below every id to come."""
        self._last = 0

    def next(self, now: float) -> int:
        """Give an id for `now`, above all given before."""
        self._last = max(self._last + 1, (int(now * 1000) - EPOCH_MS) << 22)
        return self._last


def account_id(username: str) -> int:
    """Derive an account's id from its name, so that a restarted sandbox keeps it."""
    digest = hashlib.sha256(username.lower().encode("utf-8", "surrogatepass")).digest()
    return 1_000_000_000 + int.from_bytes(digest[:7]) % 900_000_000_000_000


def iso(seconds: float) -> str:
    """Spell an instant as X does: UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


@dataclass(slots=True, eq=False)
class Account:
    """A person or a brand on the network, with the credentials that act for it."""

    id: int
    username: str
    name: str
    brand: bool = False
    created_at: str = "2015-01-01T00:00:00.000Z"
    suspended: bool = False
    recent_texts: dict[str, float] = field(default_factory=dict)

    @property
    def bearer(self) -> str:
        """OAuth 2.0 user token."""
        return f"sandbox-bearer-{self.username.lower()}"

    @property
    def access_token(self) -> str:
        """OAuth 1.0a user token."""
        return f"{self.id}-sandbox"

    def to_json(self) -> Json:
        """Show the account with its credentials: to the control API only."""
        return {
            "id": str(self.id),
            "username": self.username,
            "name": self.name,
            "brand": self.brand,
            "bearer_token": self.bearer,
            "consumer_key": CONSUMER_KEY,
            "consumer_secret": CONSUMER_SECRET,
            "access_token": self.access_token,
            "access_token_secret": f"sandbox-secret-{self.username.lower()}",
        }


CONSUMER_KEY = "sandbox-consumer"
CONSUMER_SECRET = "sandbox-consumer-secret"  # noqa: S105 - opens nothing but this stand-in
APP_BEARER = "sandbox-app-bearer"


@dataclass(slots=True, eq=False, kw_only=True)
class Post:
    """A post, one revision of an edited post, or a garbage item that only takes a post's place."""

    id: int
    text: str
    author: Account | None
    conversation: int
    created_at: str
    parent: int | None = None
    parent_author: int | None = None
    quoted: int | None = None
    mentions: list[int] = field(default_factory=list)
    revisions: list[int] = field(default_factory=list)
    lang: str = "en"
    deleted: bool = False
    superseded: bool = False
    visible_at: float = 0.0
    accepted_at: float = 0.0
    garbage: Json | None = None
    ref: str | None = None

    def listed(self, now: float) -> bool:
        """Say whether timelines show the post now."""
        return not self.deleted and not self.superseded and self.visible_at <= now


@dataclass(slots=True, eq=False, kw_only=True)
class DirectMessage:
    """One message of a private conversation."""

    id: int
    conversation: str
    sender: Account
    text: str
    created_at: str
    visible_at: float = 0.0


class Timeline:
    """Posts in id order, with a note of which were served to a client and when first."""

    def __init__(self) -> None:
        """Start empty."""
        self._ids: list[int] = []
        self._posts: dict[int, Post] = {}
        self.served_at: dict[int, float] = {}

    def __len__(self) -> int:
        """Count what was ever put in."""
        return len(self._ids)

    @property
    def backlog(self) -> int:
        """Count what no client has been given yet."""
        return len(self._ids) - len(self.served_at)

    def add(self, post: Post) -> None:
        """Put a post in its place: at the end, unless it was held back."""
        insort(self._ids, post.id)
        self._posts[post.id] = post

    def forget(self, post: Post) -> None:
        """Take a deleted or superseded post out of the backlog: nobody will be served it."""
        if post.id in self._posts:
            self.served_at.setdefault(post.id, 0.0)

    def between(
        self, since: int | None, until: int | None, *, newest: int | None = None
    ) -> Iterator[Post]:
        """Give posts with since < id < until, newest first, of the `newest` N if given."""
        low = 0 if since is None else bisect_right(self._ids, since)
        if newest is not None:
            low = max(low, len(self._ids) - newest)
        high = len(self._ids) if until is None else bisect_left(self._ids, until)
        for index in range(high - 1, low - 1, -1):
            yield self._posts[self._ids[index]]
