"""Reads direct messages: X has no `since_id` for them, so pages are read down to a known id.

Promise: the cursor is passed only when everything above it has been read. A message of ours answers
the customer's latest message before it in the same conversation.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from connectors.base import Garbage, Heard, Page
from connectors.x.mapping import (
    Around,
    Edits,
    Json,
    Unmappable,
    around,
    garbage_of,
    message_of,
    position_of,
)
from connectors.x.timeline import NOTHING_YET, PAGE_SIZE, behind, id_at, instant_of

if TYPE_CHECKING:
    from datetime import datetime

    from careline.runtime.clock import Clock

KEPT_BY_X: Final = timedelta(days=30)
_CONVERSATIONS: Final = 5000

Fetch = Callable[..., Awaitable[Json]]
"""Asks for one page; takes pagination_token and dm_conversation_id."""


@dataclass(slots=True, kw_only=True)
class MessageReader:
    """The direct messages of one account."""

    account: str
    user_id: str
    fetch: Fetch
    clock: Clock
    overlap_s: float
    since: datetime | None = None
    _asked: OrderedDict[str, int] = field(default_factory=OrderedDict)
    """The customer's latest message in each conversation."""

    async def newest(self) -> str:
        """Return the cursor behind everything that is there now."""
        places = [position_of(item) for item in _items(await self.fetch(max_results=1))]
        return str(places[0]) if places and places[0] is not None else NOTHING_YET

    async def read(self, cursor: str, *, sweep: bool) -> Page:
        """Read everything above the cursor; a sweep looks a little below it too."""
        floor = int(behind(cursor, self.overlap_s) if sweep else cursor)
        if cursor == NOTHING_YET and self.since is not None:
            floor = id_at(self.since)
        items, known = await self._above(floor)
        heard: list[Heard] = []
        garbage: list[Garbage] = []
        top = int(cursor)
        for item in sorted(items, key=lambda each: position_of(each) or 0):
            top = max(top, position_of(item) or 0)
            try:
                one = await self._one(item, known)
            except Unmappable as unmappable:
                garbage.append(garbage_of(item, unmappable.reason))
                continue
            if one is not None:
                heard.append(one)
        return Page(
            heard=tuple(heard),
            garbage=tuple(garbage),
            cursor_before=cursor,
            cursor_after=str(top),
            gap=self._gap(cursor),
        )

    async def _above(self, floor: int) -> tuple[list[Any], Around]:
        options: dict[str, Any] = {"max_results": PAGE_SIZE}
        found: list[Any] = []
        users: dict[str, Json] = {}
        while True:
            body = await self.fetch(**options)
            known = self._around(body)
            users.update(known.users)
            items = _items(body)
            places = [place for place in map(position_of, items) if place is not None]
            found += [item for item in items if (position_of(item) or floor + 1) > floor]
            token = (body.get("meta") or {}).get("next_token")
            if not token or (places and min(places) <= floor):
                return found, self._around({"includes": {"users": list(users.values())}})
            options["pagination_token"] = token

    def _around(self, body: Json) -> Around:
        return around(
            body,
            account=self.account,
            user_id=self.user_id,
            heard_at=self.clock.now(),
            edits=Edits(),
        )

    async def _one(self, item: Any, known: Around) -> Heard | None:
        heard = message_of(item, known, None)
        if heard is None:
            return None
        root = heard.record.conversation.root
        if heard.record.kind != "posted":
            self._remember(root, heard.position)
            return heard
        asked = self._asked.get(root)
        if asked is None or asked > heard.position:
            asked = await self._asked_before(root, heard.position)
        return message_of(item, known, None if asked is None else str(asked))

    async def _asked_before(self, root: str, place: int) -> int | None:
        """Look the customer's latest message before one of ours up: we may have been restarted."""
        body = await self.fetch(max_results=PAGE_SIZE, dm_conversation_id=root)
        earlier = [
            found
            for item in _items(body)
            if (found := position_of(item)) is not None
            and found < place
            and str(item.get("sender_id")) != self.user_id
        ]
        return max(earlier, default=None)

    def _remember(self, root: str, place: int) -> None:
        self._asked[root] = max(place, self._asked.get(root, 0))
        self._asked.move_to_end(root)
        while len(self._asked) > _CONVERSATIONS:
            self._asked.popitem(last=False)

    def _gap(self, cursor: str) -> str:
        if cursor == NOTHING_YET or self.clock.now() - instant_of(int(cursor)) < KEPT_BY_X:
            return ""
        return "X gives direct messages of the last 30 days only, and the last one heard is older"


def _items(body: Json) -> list[Any]:
    items = body.get("data")
    return items if isinstance(items, list) else []
