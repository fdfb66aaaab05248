"""Hears one brand account on X: mentions, its own posts, direct messages, edits and deletes.

Delivery: at least once, by the rules of `connectors.base`. Reading is by polling alone: pushes of
X leave holes and its stream dies in silence when a callback raises, so the poll is the truth.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from connectors.base import Pace, Page
from connectors.errors import AccessDenied
from connectors.watchlist import HashValue, Watchlist
from connectors.x.changes import ChangeReader
from connectors.x.client import XClient, XSession
from connectors.x.config import X_BEGAN, XConfig
from connectors.x.mapping import (
    DM_FIELDS,
    EXPANSIONS,
    MEDIA_FIELDS,
    NETWORK,
    TWEET_FIELDS,
    USER_FIELDS,
    Edits,
    Json,
)
from connectors.x.messages import MessageReader
from connectors.x.timeline import NOTHING_YET, TimelineReader

if TYPE_CHECKING:
    from careline.runtime.clock import Clock

MENTIONS: Final = "mentions"
OWN_POSTS: Final = "own_posts"
DIRECT_MESSAGES: Final = "direct_messages"
CHANGES: Final = "changes"

_POST_FIELDS: Final[dict[str, Any]] = {
    "tweet_fields": TWEET_FIELDS,
    "user_fields": USER_FIELDS,
    "media_fields": MEDIA_FIELDS,
    "expansions": EXPANSIONS,
}


class XConnector:
    """One brand account on X."""

    def __init__(
        self, config: XConfig, session: XSession, *, store: HashValue, clock: Clock
    ) -> None:
        """Prepare; the session belongs to the caller."""
        self._config = config
        self._store = store
        self._clock = clock
        self._edits = Edits()
        self._timelines: dict[str, TimelineReader] = {}
        self._messages: MessageReader | None = None
        self._changes: ChangeReader | None = None
        self.client = XClient(config, session)
        self.user_id = config.user_id
        self.handle = config.handle

    @property
    def network(self) -> str:
        """`x`."""
        return NETWORK

    @property
    def account(self) -> str:
        """The brand account's name in the configuration."""
        return self._config.account

    @property
    def sources(self) -> tuple[str, ...]:
        """What is read, as far as the configuration wants it."""
        wanted = (
            (MENTIONS, True),
            (OWN_POSTS, self._config.own_posts),
            (DIRECT_MESSAGES, self._config.direct_messages),
            (CHANGES, self._config.watch_deletes and self._config.watch_max > 0),
        )
        return tuple(source for source, on in wanted if on)

    def pace(self, source: str) -> Pace:
        """How often a source is read."""
        config = self._config
        busy, quiet = config.poll_min_s, config.poll_max_s
        if source == DIRECT_MESSAGES:
            busy, quiet = config.dm_poll_min_s, config.dm_poll_max_s
        elif source == CHANGES:
            busy = quiet = config.watch_every_s
        return Pace(busy_s=busy, quiet_s=quiet, sweep_s=config.sweep_every_s)

    async def start(self) -> None:
        """Find out who we are."""
        if not self.user_id or not self.handle:
            me = (await self.client.call("get_me")).get("data") or {}
            self.user_id = self.user_id or str(me.get("id") or "")
            self.handle = self.handle or str(me.get("username") or "")
        if not self.user_id.isdecimal():
            raise AccessDenied(
                f"x: {self.account}: X does not say whose tokens these are",
                hint="set user_id of the account in careline.yaml",
            )
        self._build()

    async def stop(self) -> None:
        """Nothing is open here; the session belongs to the caller."""

    async def first_cursor(self, source: str) -> str:
        """Return where to begin: at `since` if configured, else behind all that is there."""
        if source == CHANGES or self._config.since is not None:
            return NOTHING_YET
        if source == DIRECT_MESSAGES and self._messages is not None:
            return await self._messages.newest()
        return await self._timelines[source].newest()

    async def read(self, source: str, cursor: str, *, sweep: bool) -> Page:
        """Read what came since the cursor."""
        if source == CHANGES and self._changes is not None:
            return await self._changes.read(cursor)
        if source == DIRECT_MESSAGES and self._messages is not None:
            return await self._messages.read(cursor, sweep=sweep)
        page = await self._timelines[source].read(cursor, sweep=sweep)
        if source == MENTIONS and self._changes is not None:
            await self._changes.heard(page.records)
        return page

    def _build(self) -> None:
        config, call = self._config, self.client.call
        since = None if config.since is None else max(config.since, X_BEGAN)
        shared: dict[str, Any] = {
            "account": self.account,
            "user_id": self.user_id,
            "clock": self._clock,
        }
        timeline: dict[str, Any] = {
            **shared,
            "edits": self._edits,
            "pages_max": config.pages_max,
            "overlap_s": config.overlap_s,
            "since": since,
        }
        self._timelines = {
            MENTIONS: TimelineReader(
                fetch=partial(call, "get_users_mentions", self.user_id, **_POST_FIELDS),
                reach=config.mentions_reach,
                search=partial(call, "search_recent_tweets", f"@{self.handle}", **_POST_FIELDS)
                if self.handle
                else None,
                **timeline,
            ),
            OWN_POSTS: TimelineReader(
                fetch=partial(call, "get_users_tweets", self.user_id, **_POST_FIELDS),
                own=True,
                **timeline,
            ),
        }
        self._messages = MessageReader(
            fetch=partial(
                call,
                "get_direct_message_events",
                dm_event_fields=DM_FIELDS,
                user_fields=USER_FIELDS,
                expansions=["sender_id"],
            ),
            overlap_s=config.overlap_s,
            since=since,
            **shared,
        )
        if CHANGES in self.sources:
            watchlist = Watchlist(
                self._store,
                f"{NETWORK}:{self.account}",
                size=config.watch_max,
                age_s=config.watch_for_s,
            )
            self._changes = ChangeReader(
                lookup=self._lookup, watchlist=watchlist, edits=self._edits, **shared
            )

    async def _lookup(self, ids: list[str]) -> Json:
        return await self.client.call("get_tweets", ids, **_POST_FIELDS)
