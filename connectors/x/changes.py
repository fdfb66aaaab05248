"""Looks recently heard mentions up again: what is gone was deleted, what has a new id was edited.

Promise: a mention counts as deleted only when two look-ups in a row, a round apart, did not find
it, and X itself says "not found"; a delete leaves the watchlist only after its record was
acknowledged. Bounded: one call for a hundred mentions, in turn.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from connectors.base import Heard, Page
from connectors.watchlist import Watched, Watchlist
from connectors.x.mapping import NETWORK, Edits, Json, Unmappable, around, post_of
from schemas.mentions import (
    AuthorRef,
    ConversationRef,
    MentionDeleted,
    MentionEdited,
    MentionReceived,
    Visibility,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from careline.runtime.clock import Clock

BATCH: Final = 100
SURE_AFTER: Final = 2
NOT_FOUND: Final = "resource-not-found"

Lookup = Callable[[list[str]], Awaitable[Json]]


@dataclass(slots=True, kw_only=True)
class ChangeReader:
    """Edits and deletes of the mentions of one account."""

    account: str
    user_id: str
    lookup: Lookup
    watchlist: Watchlist
    edits: Edits
    clock: Clock
    _handed_over: list[str] = field(default_factory=list)

    async def heard(self, records: Iterable[object]) -> None:
        """Watch the public mentions among these records."""
        await self.watchlist.add(
            Watched(
                native_id=record.native_id,
                revision_id=record.revision_id,
                root=record.conversation.root,
                author_id=record.author.id,
                handle=record.author.handle,
                heard_at=record.heard_at.isoformat(),
            )
            for record in records
            if isinstance(record, MentionReceived | MentionEdited)
            and record.conversation.visibility is Visibility.PUBLIC
        )

    async def read(self, cursor: str) -> Page:
        """Look the next ones up; the page before was acknowledged, its deletes can be forgotten."""
        await self.watchlist.remove(self._handed_over)
        self._handed_over = []
        watched = await self.watchlist.next_batch(BATCH, self.clock.now())
        heard: list[Heard] = []
        if watched:
            heard = [
                *await self._deleted(watched, body := await self._look(watched)),
                *await self._edited(watched, body),
            ]
        return Page(heard=tuple(heard), cursor_before=cursor, cursor_after=cursor)

    async def _look(self, watched: list[Watched]) -> Json:
        return await self.lookup([each.revision_id for each in watched])

    async def _deleted(self, watched: list[Watched], body: Json) -> list[Heard]:
        missing = {
            str(error.get("resource_id") or error.get("value"))
            for error in body.get("errors") or ()
            if str(error.get("type", "")).endswith(NOT_FOUND)
        }
        found: list[Heard] = []
        for each in watched:
            if each.revision_id not in missing:
                if each.missing:
                    await self.watchlist.add([_seen_again(each)])
                continue
            if await self.watchlist.missed(each.native_id) >= SURE_AFTER:
                found.append(self._delete(each))
                self._handed_over.append(each.native_id)
        return found

    def _delete(self, each: Watched) -> Heard:
        record = MentionDeleted(
            account=self.account,
            native_id=each.native_id,
            conversation=ConversationRef(network=NETWORK, root=each.root),
            heard_at=self.clock.now(),
            author=AuthorRef(id=each.author_id, handle=each.handle),
        )
        return Heard(record=record, position=int(each.native_id))

    async def _edited(self, watched: list[Watched], body: Json) -> list[Heard]:
        """Read the latest revision of what has one that we do not know."""
        known = {each.revision_id for each in watched}
        latest = [
            str(history[-1])
            for item in body.get("data") or ()
            if (history := item.get("edit_history_tweet_ids")) and str(history[-1]) not in known
        ]
        if not latest:
            return []
        answer = await self.lookup(latest)
        beside = around(
            answer,
            account=self.account,
            user_id=self.user_id,
            heard_at=self.clock.now(),
            edits=self.edits,
        )
        found = [one for item in answer.get("data") or () if (one := _readable(item, beside))]
        await self.heard(each.record for each in found)
        return found


def _seen_again(each: Watched) -> Watched:
    return Watched(
        native_id=each.native_id,
        revision_id=each.revision_id,
        root=each.root,
        author_id=each.author_id,
        handle=each.handle,
        heard_at=each.heard_at,
    )


def _readable(item: Any, beside: Any) -> Heard | None:
    try:
        return post_of(item, beside)
    except Unmappable:
        return None  # the mentions timeline reports it
