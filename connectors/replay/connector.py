"""Hears a file of real posts as if a network said them.

Delivery: at least once; the cursor is the number of the last line that was acknowledged, so a
restart goes on behind it and every line is heard once. The file must not change in between.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from connectors.base import Garbage, Heard, Pace, Page
from connectors.bounds import name
from connectors.replay.rows import Malformed, read_rows
from connectors.replay.story import Post, Story, tell
from schemas.mentions import (
    AuthorRef,
    BrandPosted,
    ConversationRef,
    HeardRecord,
    MentionReceived,
)

if TYPE_CHECKING:
    from datetime import datetime

    from careline.runtime.clock import Clock
    from connectors.replay.config import ReplayConfig

SOURCE: Final = "file"
_BEGINNING: Final = "0"
_PACED: Final = Pace(busy_s=0.02, quiet_s=0.2, sweep_s=float("inf"))


class ReplayConnector:
    """One file, all its brand accounts."""

    def __init__(self, config: ReplayConfig, *, clock: Clock) -> None:
        """Prepare; the file is read by `start`."""
        self._config = config
        self._clock = clock
        self._story = Story()
        self._next = 0
        self._last: tuple[float, datetime] | None = None

    @property
    def network(self) -> str:
        """The network that the ids name."""
        return self._config.network

    @property
    def account(self) -> str:
        """The file's name in cursors; its records name the brand accounts they belong to."""
        return self._config.key

    @property
    def accounts(self) -> tuple[str, ...]:
        """The brand accounts that the file speaks of, once it is started."""
        return tuple(sorted({item.account for item in self._story if isinstance(item, Post)}))

    @property
    def sources(self) -> tuple[str, ...]:
        """The file is one source."""
        return (SOURCE,)

    def pace(self, source: str) -> Pace:  # noqa: ARG002 - there is one source
        """Look often for what is due."""
        return _PACED

    async def start(self) -> None:
        """Read the file and work it out. Raises ``ConfigurationError`` if it cannot be read."""
        self._story = await asyncio.to_thread(self._read)

    def _read(self) -> Story:
        config = self._config
        story = tell(read_rows(config.path, config.columns), parts=config.parts)
        if config.limit is not None:
            story.items = [item for item in story.items if _line(item) <= config.limit]
        return story

    async def stop(self) -> None:
        """Forget the file."""
        self._story = Story()

    async def first_cursor(self, source: str) -> str:  # noqa: ARG002
        """Begin at the first line."""
        return _BEGINNING

    async def read(self, source: str, cursor: str, *, sweep: bool) -> Page:  # noqa: ARG002
        """Return the lines behind the cursor that are due."""
        items = self._story.items
        self._seek(int(cursor))
        taken: list[Post | Malformed] = []
        while self._next + len(taken) < len(items) and len(taken) < self._config.page_size:
            item = items[self._next + len(taken)]
            if not self._due(item):
                break
            taken.append(item)
        end = self._next + len(taken)
        now = self._clock.now()
        return Page(
            heard=tuple(
                Heard(record=self._record(item, now), position=item.row.line)
                for item in taken
                if isinstance(item, Post)
            ),
            garbage=tuple(
                Garbage(position=str(item.line), value=item.value, reason=item.reason)
                for item in taken
                if isinstance(item, Malformed)
            ),
            cursor_before=cursor,
            cursor_after=str(_line(taken[-1])) if taken else cursor,
            more=bool(taken) and end < len(items),
            done=end >= len(items),
        )

    def _seek(self, line: int) -> None:
        """Stand behind a line: reading again after a failure starts over from the cursor."""
        items = self._story.items
        if self._next > len(items) or (self._next and _line(items[self._next - 1]) > line):
            self._next = 0
        while self._next < len(items) and _line(items[self._next]) <= line:
            self._next += 1

    def _due(self, item: Post | Malformed) -> bool:
        """Say whether a line's instant has come; the speed scales arrivals only."""
        if self._config.speed is None or isinstance(item, Malformed):
            return True
        now = self._clock.monotonic()
        if self._last is None:
            self._last = (now, item.created_at)
            return True
        at, written = self._last
        apart = (item.created_at - written).total_seconds() / self._config.speed
        due = at + min(max(apart, 0.0), self._config.pause_max_s)
        if due > now:
            return False
        self._last = (due, max(written, item.created_at))
        return True

    def _record(self, post: Post, now: datetime) -> HeardRecord:
        row = post.row
        shared: dict[str, Any] = {
            "account": post.account,
            "native_id": row.id,
            "conversation": ConversationRef(network=self.network, root=post.root),
            "heard_at": now,
            "author": AuthorRef(id=row.author, handle=name(row.author), name=name(row.author)),
            "text": row.text,
            "created_at": post.created_at,
            "revision_id": row.id,
            "in_reply_to": post.parent,
        }
        return MentionReceived(**shared) if row.inbound else BrandPosted(**shared)


def _line(item: Post | Malformed) -> int:
    return item.line if isinstance(item, Malformed) else item.row.line
