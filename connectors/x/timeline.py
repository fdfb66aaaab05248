"""Reads a timeline that X gives newest first, completely, from a cursor to now.

Promise: the cursor is passed only when everything above it has been read. A reading that is cut
short (a limit, too many pages) hands over what it has, says `more`, and goes on below it next time.
Where X's timeline ends before the cursor, search goes on; where search ends too, a gap is named.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from careline.runtime.errors import RetryableError
from connectors.base import Garbage, Heard, Page
from connectors.errors import Refused
from connectors.x.mapping import Around, Json, Unmappable, around, garbage_of, position_of, post_of

if TYPE_CHECKING:
    from careline.runtime.clock import Clock
    from connectors.x.mapping import Edits

NOTHING_YET: Final = "0"
PAGE_SIZE: Final = 100
SWEEP_PAGES: Final = 8
_EPOCH_MS: Final = 1_288_834_974_657
_ID_BITS: Final = 22

Fetch = Callable[..., Awaitable[Json]]
"""Asks for one page; takes since_id, until_id, start_time and pagination_token."""


def id_at(instant: datetime) -> int:
    """Return the lowest id that X can have given at an instant: ids carry their time."""
    return max(1, (int(instant.timestamp() * 1000) - _EPOCH_MS) << _ID_BITS)


def instant_of(native_id: int) -> datetime:
    """Return when X gave an id."""
    return datetime.fromtimestamp(((native_id >> _ID_BITS) + _EPOCH_MS) / 1000, tz=UTC)


def behind(cursor: str, seconds: float) -> str:
    """Return a cursor that lies so many seconds behind another."""
    back = int(seconds * 1000) << _ID_BITS
    return str(max(1, int(cursor) - back)) if cursor != NOTHING_YET else NOTHING_YET


@dataclass(slots=True)
class _Deeper:
    """A reading under way: what is above `below` was handed over already."""

    cursor: str
    below: int
    top: int
    count: int


@dataclass(slots=True)
class _Haul:
    """What a reading has brought so far, newest first."""

    heard: list[Heard] = field(default_factory=list)
    garbage: list[Garbage] = field(default_factory=list)
    lowest: int | None = None
    highest: int = 0
    count: int = 0
    complete: bool = False

    def take(self, items: list[Any], known: Around) -> None:
        for item in items:
            self.count += 1
            place = position_of(item)
            if place is not None:
                self.lowest = place if self.lowest is None else min(self.lowest, place)
                self.highest = max(self.highest, place)
            try:
                heard = post_of(item, known)
            except Unmappable as unmappable:
                self.garbage.append(garbage_of(item, unmappable.reason))
                continue
            if heard is not None:
                self.heard.append(heard)


@dataclass(slots=True, kw_only=True)
class TimelineReader:
    """One timeline of one account."""

    account: str
    user_id: str
    fetch: Fetch
    edits: Edits
    clock: Clock
    pages_max: int
    overlap_s: float
    since: datetime | None = None
    own: bool = False
    """The account's own posts; else only other people's are kept."""
    reach: int | None = None
    search: Fetch | None = None
    _deeper: _Deeper | None = None

    async def newest(self) -> str:
        """Return the cursor behind everything that is there now."""
        body = await self.fetch(max_results=5)
        places = [p for p in (position_of(item) for item in _items(body)) if p is not None]
        return str(max(places)) if places else NOTHING_YET

    async def read(self, cursor: str, *, sweep: bool) -> Page:
        """Read everything above the cursor; a sweep looks a little below it too."""
        deeper = self._deeper
        if deeper is not None and deeper.cursor != cursor:
            deeper = None
        haul = _Haul()
        if deeper is None and sweep:
            floor = behind(cursor, self.overlap_s)
            await self._pages(haul, cursor, floor, until=None, pages=SWEEP_PAGES)
        else:
            until = None if deeper is None else deeper.below
            await self._pages(haul, cursor, cursor, until=until, pages=self.pages_max)
        top = max(haul.highest, deeper.top if deeper else 0)
        count = haul.count + (deeper.count if deeper else 0)
        gap = ""
        if haul.complete and self._may_be_capped(cursor, count):
            gap = await self._beyond_the_end(haul, cursor)
        return self._page(haul, cursor, top=top, count=count, gap=gap)

    def _page(self, haul: _Haul, cursor: str, *, top: int, count: int, gap: str) -> Page:
        after = cursor
        if haul.complete:
            self._deeper = None
            after = str(max(top, int(cursor)))
        elif haul.lowest is not None:
            self._deeper = _Deeper(cursor=cursor, below=haul.lowest, top=top, count=count)
        kept = [h for h in haul.heard if (h.record.kind == "posted") is self.own]
        return Page(
            heard=tuple(sorted(kept, key=lambda each: each.position)),
            garbage=tuple(_unreported(haul.garbage, cursor)),
            cursor_before=cursor,
            cursor_after=after,
            more=not haul.complete,
            gap=gap,
        )

    async def _pages(
        self, haul: _Haul, cursor: str, floor: str, *, until: int | None, pages: int
    ) -> None:
        """Take in pages until the floor, a bound or a limit is reached."""
        options: dict[str, Any] = {"max_results": PAGE_SIZE}
        if floor != NOTHING_YET:
            options["since_id"] = floor
        elif self.since is not None:
            options["start_time"] = self.since
        if until is not None:
            options["until_id"] = str(until)
        for _ in range(pages):
            try:
                body = await self.fetch(**options)
            except RetryableError:
                if not haul.count:
                    raise
                break
            self._take(haul, body)
            token = (body.get("meta") or {}).get("next_token")
            if not token:
                haul.complete = True
                return
            options["pagination_token"] = token
        haul.complete = haul.lowest is not None and haul.lowest <= int(cursor) and floor != cursor

    def _take(self, haul: _Haul, body: Json) -> None:
        known = around(
            body,
            account=self.account,
            user_id=self.user_id,
            heard_at=self.clock.now(),
            edits=self.edits,
        )
        haul.take(_items(body), known)

    def _may_be_capped(self, cursor: str, count: int) -> bool:
        known_start = cursor != NOTHING_YET or self.since is not None
        return self.reach is not None and count >= self.reach and known_start

    async def _beyond_the_end(self, haul: _Haul, cursor: str) -> str:
        """Search for what lies between the cursor and the end of the timeline."""
        what = f"the timeline holds {self.reach} posts at most"
        if self.search is None or haul.lowest is None:
            return what
        options: dict[str, Any] = {"max_results": PAGE_SIZE, "until_id": str(haul.lowest)}
        if cursor != NOTHING_YET:
            options["since_id"] = cursor
        elif self.since is not None:
            options["start_time"] = self.since
        while True:
            try:
                body = await self.search(**options)
            except Refused:
                return f"{what}, and search does not reach back to the last one heard"
            self._take(haul, body)
            token = (body.get("meta") or {}).get("next_token")
            if not token:
                return ""
            options["next_token"] = token


def _unreported(garbage: list[Garbage], cursor: str) -> list[Garbage]:
    """Leave out what a sweep meets again: the cursor passed it when its report was acknowledged."""
    return [
        item
        for item in reversed(garbage)
        if not item.position.isdecimal() or int(item.position) > int(cursor)
    ]


def _items(body: Json) -> list[Any]:
    items = body.get("data")
    return items if isinstance(items, list) else []
