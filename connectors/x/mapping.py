"""X's JSON as our records, one item at a time.

Promise: pure; an item that cannot be read raises `Unmappable` with a short reason and spoils
nothing else. The first id of an edit history is the message's id for ever, in thread roots too.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from connectors.base import Garbage, Heard
from connectors.bounds import name
from schemas.identity import revision_of
from schemas.mentions import (
    AuthorRef,
    BrandPosted,
    ConversationRef,
    HeardRecord,
    MediaRef,
    MentionEdited,
    MentionReceived,
    Visibility,
)

NETWORK: Final = "x"
TWEET_FIELDS: Final = [
    "author_id",
    "conversation_id",
    "created_at",
    "edit_history_tweet_ids",
    "in_reply_to_user_id",
    "referenced_tweets",
    "attachments",
]
USER_FIELDS: Final = ["username", "name", "public_metrics"]
MEDIA_FIELDS: Final = ["type", "url", "alt_text"]
EXPANSIONS: Final = ["author_id", "referenced_tweets.id", "attachments.media_keys"]
DM_FIELDS: Final = ["id", "text", "event_type", "created_at", "sender_id", "dm_conversation_id"]
_KNOWN_EDITS: Final = 20_000
_ID: Final = re.compile(r"[0-9]{1,19}")
_LARGEST: Final = 2**63 - 1
"""Of an id on X. A cursor behind a larger one would pass over all that is yet to come."""

Json = Mapping[str, Any]


class Unmappable(Exception):
    """An item that is no message; ``reason`` is a short word."""

    def __init__(self, reason: str) -> None:
        """Keep the reason; never the item."""
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Edits:
    """Which ids are later revisions, and of which first one."""

    first: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def learn(self, items: Iterable[object]) -> None:
        """Take in the edit histories of posts that came along."""
        for item in items:
            history = item.get("edit_history_tweet_ids") if isinstance(item, dict) else None
            if not isinstance(history, list) or len(history) < 2:  # noqa: PLR2004 - was edited
                continue
            for later in history[1:]:
                self.first[str(later)] = str(history[0])
        while len(self.first) > _KNOWN_EDITS:
            self.first.popitem(last=False)

    def first_of(self, native_id: str) -> str:
        """Return the first id of the history that an id belongs to, as far as is known."""
        return self.first.get(native_id, native_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is known around the items of an answer."""

    account: str
    user_id: str
    heard_at: datetime
    edits: Edits
    users: Mapping[str, Json] = field(default_factory=dict)
    media: Mapping[str, Json] = field(default_factory=dict)


def around(body: Json, *, account: str, user_id: str, heard_at: datetime, edits: Edits) -> Around:
    """Read what an answer includes beside its items."""
    includes = body.get("includes") or {}
    edits.learn(includes.get("tweets") or ())
    edits.learn(body.get("data") or ())
    users = {str(each.get("id")): each for each in includes.get("users") or ()}
    media = {str(each.get("media_key")): each for each in includes.get("media") or ()}
    return Around(
        account=account, user_id=user_id, heard_at=heard_at, edits=edits, users=users, media=media
    )


def position_of(item: object) -> int | None:
    """Return an item's place in the order of its source: its id; None if that is none."""
    value = item.get("id") if isinstance(item, dict) else None
    return int(value) if isinstance(value, str | int) and _is_id(str(value)) else None


def garbage_of(item: object, reason: str) -> Garbage:
    """Return an item that cannot be read, with a name that is the same each time it is met."""
    value = json.dumps(item, ensure_ascii=True, sort_keys=True, default=str).encode()
    place = position_of(item)
    return Garbage(
        # A digest may be all digits: it must not be taken for a place before the cursor.
        position=str(place) if place is not None else f"no-id-{revision_of(value.decode())}",
        value=value,
        reason=reason,
    )


def post_of(item: object, known: Around) -> Heard | None:
    """Return a post as a record: a mention, its edit, or the brand's own; None for a repost.

    Raises:
        Unmappable: the item is no post.
    """
    if not isinstance(item, dict):
        raise Unmappable("not_an_object")
    try:
        return _post(item, known)
    except KeyError as error:
        raise Unmappable(f"missing:{error.args[0]}") from None
    except ValidationError as error:
        raise Unmappable(f"invalid:{error.errors()[0]['loc'][0]}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise Unmappable(f"invalid:{type(error).__name__}") from None


def _post(item: Json, known: Around) -> Heard | None:
    references = {
        str(each["type"]): str(each["id"]) for each in item.get("referenced_tweets") or ()
    }
    if "retweeted" in references:
        return None  # a repost says nothing of its own; X lists the original too
    own_id = _digits(item, "id")
    history = [str(each) for each in item.get("edit_history_tweet_ids") or (own_id,)]
    index = history.index(own_id) if own_id in history else 0
    author_id = _digits(item, "author_id")
    parent = references.get("replied_to")
    root = known.edits.first_of(str(item.get("conversation_id") or own_id))
    shared: dict[str, Any] = {
        "account": known.account,
        "native_id": history[0],
        "conversation": ConversationRef(network=NETWORK, root=root),
        "heard_at": known.heard_at,
        "author": _author(author_id, known),
        "text": item["text"],
        "created_at": item["created_at"],
        "revision": str(index),
        "revision_id": own_id,
        "in_reply_to": None if parent is None else known.edits.first_of(parent),
        "media": _media(item, known),
        "url": f"https://x.com/i/web/status/{own_id}",
    }
    made: HeardRecord
    if author_id == known.user_id:
        made = BrandPosted(**shared)
    elif index:
        made = MentionEdited(**shared)
    else:
        made = MentionReceived(**shared)
    return Heard(record=made, position=int(own_id))


def message_of(item: object, known: Around, answers: str | None) -> Heard | None:
    """Return a direct message as a record; None for an event that is no message.

    ``answers`` is the customer's latest message before it, which one of ours replies to.

    Raises:
        Unmappable: the item is no direct message event.
    """
    if not isinstance(item, dict):
        raise Unmappable("not_an_object")
    if item.get("event_type", "MessageCreate") != "MessageCreate":
        return None
    try:
        own_id = _digits(item, "id")
        sender = _digits(item, "sender_id")
        shared: dict[str, Any] = {
            "account": known.account,
            "native_id": own_id,
            "conversation": ConversationRef(
                network=NETWORK,
                root=str(item["dm_conversation_id"]),
                visibility=Visibility.DIRECT,
            ),
            "heard_at": known.heard_at,
            "author": _author(sender, known),
            "text": item["text"],
            "created_at": item["created_at"],
            "revision_id": own_id,
        }
        made: HeardRecord
        if sender == known.user_id:
            made = BrandPosted(**shared, in_reply_to=answers)
        else:
            made = MentionReceived(**shared)
    except KeyError as error:
        raise Unmappable(f"missing:{error.args[0]}") from None
    except ValidationError as error:
        raise Unmappable(f"invalid:{error.errors()[0]['loc'][0]}") from None
    except (TypeError, ValueError) as error:
        raise Unmappable(f"invalid:{type(error).__name__}") from None
    return Heard(record=made, position=int(own_id))


def _digits(item: Json, field_name: str) -> str:
    value = str(item[field_name])
    if not _is_id(value):
        raise ValueError(field_name)
    return value


def _is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None and int(text) <= _LARGEST


def _author(author_id: str, known: Around) -> AuthorRef:
    user = known.users.get(author_id) or {}
    followers = (user.get("public_metrics") or {}).get("followers_count")
    return AuthorRef(
        id=author_id,
        handle=name(user.get("username")),
        name=name(user.get("name")),
        followers=followers if isinstance(followers, int) else None,
    )


def _media(item: Json, known: Around) -> tuple[MediaRef, ...]:
    keys = (item.get("attachments") or {}).get("media_keys") or ()
    found = (known.media.get(str(key)) for key in keys)
    return tuple(
        MediaRef(
            kind=name(each.get("type")), url=name(each.get("url")), alt=name(each.get("alt_text"))
        )
        for each in found
        if each is not None
    )
