"""The content of the stand-in workspace, and a numbered list of what changed.

Promise: a timestamp is never given twice; every change to what people see gets the next revision,
so the page and the agents ask "what since N" and never read a channel twice.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from careline.sandbox.slack.model import BOT_USER, Channel, Message, User, View, made_id

TRIGGER_S = 3.0
RESPONSE_URL_S = 1800.0
RESPONSE_URL_USES = 5


@dataclass(slots=True)
class Trigger:
    """A one-use permission to open a view for the user who just acted."""

    user: str
    expires: float
    used: bool = False
    view: str | None = None


@dataclass(slots=True)
class ResponseUrl:
    """A short-lived permission to answer where a user acted."""

    user: str
    channel: str
    ts: str | None
    expires: float
    uses_left: int = RESPONSE_URL_USES


@dataclass(slots=True)
class Workspace:
    """Everything the stand-in Slack knows."""

    bot_token: str = "xoxb-sandbox"  # noqa: S105 - opens nothing but this stand-in
    app_token: str = "xapp-sandbox"  # noqa: S105 - as above
    revoked: bool = False
    trigger_s: float = TRIGGER_S
    users: dict[str, User] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    open_views: dict[str, list[str]] = field(default_factory=dict)
    homes: dict[str, View] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    response_urls: dict[str, ResponseUrl] = field(default_factory=dict)
    ephemerals: list[Message] = field(default_factory=list)
    client_ids: dict[str, str] = field(default_factory=dict)
    changes: list[Message | None] = field(default_factory=list)
    _last_ts: int = 0

    def __post_init__(self) -> None:
        """Install the app's own user."""
        self.users[BOT_USER] = User(BOT_USER, "careline", "careline", is_bot=True)

    @property
    def revision(self) -> int:
        """Number of changes so far."""
        return len(self.changes)

    def touch(self, message: Message | None = None) -> None:
        """Note that a message, or (None) a view, looks different now."""
        self.changes.append(message)

    def next_ts(self) -> str:
        """Give a timestamp above all given before."""
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def user(self, name: str, *, real_name: str = "", user_id: str = "") -> User:
        """Give the user of that name, made on first use."""
        for known in self.users.values():
            if name in {known.name, known.id}:
                return known
        new = User(user_id or made_id("U", name), name, real_name or name.title())
        new.email = f"{name}@example.com"
        self.users[new.id] = new
        return new

    def channel(self, name: str, *, is_private: bool = False, channel_id: str = "") -> Channel:
        """Give the channel of that name, made on first use."""
        name = name.lstrip("#")
        if name in self.names:
            return self.channels[self.names[name]]
        new = Channel(channel_id or made_id("C", name), name, is_private=is_private)
        self.channels[new.id] = new
        self.names[name] = new.id
        self.touch()
        return new

    def im(self, user: User) -> Channel:
        """Give the conversation between the app and a user."""
        channel_id = made_id("D", user.id)
        if channel_id not in self.channels:
            self.channels[channel_id] = Channel(channel_id, f"@{user.name}", im_user=user.id)
        return self.channels[channel_id]

    def find_channel(self, wanted: str) -> Channel | None:
        """Find a channel by id, by name, or by the id of the user to write to."""
        if wanted in self.channels:
            return self.channels[wanted]
        if wanted in self.users:
            return self.im(self.users[wanted])
        return self.channels.get(self.names.get(wanted.lstrip("#"), ""))

    def trigger(self, user: str) -> str:
        """Make a trigger id for what a user just did."""
        key = f"{time.time_ns()}.{secrets.token_hex(8)}"
        self.triggers[key] = Trigger(user, time.monotonic() + self.trigger_s)
        return key

    def response_url(self, user: str, channel: str, ts: str | None) -> str:
        """Make the key of a response_url."""
        key = secrets.token_hex(16)
        expires = time.monotonic() + RESPONSE_URL_S
        self.response_urls[key] = ResponseUrl(user, channel, ts, expires)
        return key

    def top_view(self, user: str) -> View | None:
        """Give the modal that a user sees."""
        stack = self.open_views.get(user)
        return self.views[stack[-1]] if stack else None

    def close_views(self, user: str, *, only_top: bool = False) -> None:
        """Close a user's modal, or the whole stack of them."""
        stack = self.open_views.get(user, [])
        for view_id in stack[-1:] if only_top else stack:
            self.views.pop(view_id, None)
        del stack[-1 if only_top else 0 :]
        self.touch()
