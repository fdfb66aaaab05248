"""People, channels, messages and views as the stand-in Slack keeps them.

Promise: nothing here speaks HTTP; reading a part of a channel costs the same however long it is.
"""

from __future__ import annotations

import base64
import hashlib
import time
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from careline.sandbox.common.wire import Json

TEAM = "T0SANDBOX"
APP = "A0SANDBOX"
BOT_USER = "U0CARELINE"
BOT = "B0CARELINE"


def made_id(prefix: str, name: str) -> str:
    """Derive an id from a name, so that a restarted sandbox keeps it."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return prefix + "0" + base64.b32encode(digest)[:9].decode("ascii")


def micros(ts: str) -> int:
    """Read a Slack timestamp as whole microseconds, so that it compares exactly."""
    seconds, _, rest = ts.partition(".")
    return int(seconds or 0) * 1_000_000 + int((rest + "000000")[:6])


@dataclass(slots=True, eq=False)
class User:
    """A member of the workspace."""

    id: str
    name: str
    real_name: str
    is_bot: bool = False
    email: str = ""
    tz: str = "UTC"

    def to_json(self) -> Json:
        """Spell the user as `users.info` does."""
        profile = {
            "real_name": self.real_name,
            "display_name": self.name,
            "email": self.email,
        }
        return {
            "id": self.id,
            "team_id": TEAM,
            "name": self.name,
            "real_name": self.real_name,
            "deleted": False,
            "is_bot": self.is_bot,
            "is_admin": False,
            "tz": self.tz,
            "tz_offset": 0,
            "locale": "en-US",
            "profile": profile,
        }


@dataclass(slots=True, eq=False, kw_only=True)
class Message:
    """A message, its thread, or an ephemeral note to one user."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    thread_ts: str | None = None
    replies: list[Message] = field(default_factory=list)
    edited: str | None = None
    deleted: bool = False
    ephemeral_for: str | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    accepted_at: float = field(default_factory=time.time)
    visible_at: float = 0.0

    def to_json(self, *, metadata: bool = False) -> Json:
        """Spell the message as `conversations.history` does."""
        shown: Json = {
            "type": "message",
            "user": self.user,
            "ts": self.ts,
            "text": self.text,
            "team": TEAM,
        }
        if self.user == BOT_USER:
            shown |= {"bot_id": BOT, "app_id": APP}
        for name in ("blocks", "attachments", "thread_ts"):
            if value := getattr(self, name):
                shown[name] = value
        if self.edited:
            shown["edited"] = {"user": self.user, "ts": self.edited}
        if self.replies:
            shown |= {
                "thread_ts": self.ts,
                "reply_count": sum(not reply.deleted for reply in self.replies),
                "latest_reply": self.replies[-1].ts,
            }
        if self.reactions:
            shown["reactions"] = [
                {"name": name, "users": users, "count": len(users)}
                for name, users in self.reactions.items()
            ]
        if self.ephemeral_for:
            shown["is_ephemeral"] = True
        if metadata and self.metadata is not None:
            shown["metadata"] = self.metadata
        return shown

    def listed(self, now: float) -> bool:
        """Say whether readers see the message now."""
        return not self.deleted and self.visible_at <= now


@dataclass(slots=True, eq=False)
class Channel:
    """A conversation: public, private, or between the app and one user."""

    id: str
    name: str
    is_private: bool = False
    is_archived: bool = False
    bot_is_member: bool = True
    im_user: str | None = None
    by_ts: dict[str, Message] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)

    def add(self, message: Message) -> None:
        """Keep a message: in the channel, or in its thread."""
        self.by_ts[message.ts] = message
        parent = self.by_ts.get(message.thread_ts or "")
        if parent is not None and parent is not message:
            parent.replies.append(message)
        else:
            insort(self.order, micros(message.ts))

    def between(
        self, oldest: str | None, latest: str | None, *, inclusive: bool = False
    ) -> Iterator[Message]:
        """Give top-level messages from newest to oldest within the bounds."""
        low, high = 0, len(self.order)
        if oldest:
            at_low = bisect_left if inclusive else bisect_right
            low = at_low(self.order, micros(oldest))
        if latest:
            at_high = bisect_right if inclusive else bisect_left
            high = at_high(self.order, micros(latest))
        for index in range(high - 1, low - 1, -1):
            key = self.order[index]
            yield self.by_ts[f"{key // 1_000_000}.{key % 1_000_000:06d}"]

    def to_json(self) -> Json:
        """Spell the channel as `conversations.info` does."""
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": not self.is_private and self.im_user is None,
            "is_group": self.is_private,
            "is_im": self.im_user is not None,
            "is_private": self.is_private or self.im_user is not None,
            "is_archived": self.is_archived,
            "is_member": self.bot_is_member,
            "is_general": False,
            **({"user": self.im_user} if self.im_user else {}),
        }


@dataclass(slots=True, eq=False)
class View:
    """A modal or a Home tab that one user sees."""

    id: str
    user: str
    body: Json
    hash: str
    root: str
    previous: str | None = None
    state: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        """Spell the view as `views.open` answers it."""
        return {
            "id": self.id,
            "team_id": TEAM,
            "app_id": APP,
            "app_installed_team_id": TEAM,
            "bot_id": BOT,
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            "close": None,
            "submit": None,
            "clear_on_close": False,
            "notify_on_close": False,
            **self.body,
            "state": {"values": self.state},
            "hash": self.hash,
            "root_view_id": self.root,
            "previous_view_id": self.previous,
        }
