"""The content of the stand-in X and the rules by which it changes.

Promise: an id, once given, is never reused and never lower than one given before; an edit gets a
new id and every revision lists all of them; a deleted post is gone from all timelines at once.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from careline.sandbox.x.model import (
    CONSUMER_KEY,
    Account,
    DirectMessage,
    Post,
    Snowflakes,
    Timeline,
    account_id,
    iso,
)

if TYPE_CHECKING:
    from careline.sandbox.common.wire import Json

HANDLE = re.compile(r"@([A-Za-z0-9_]{1,32})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A post to be: what a person types, or what a feeder knows about it."""

    author: Account
    text: str
    parent: int | None = None
    parent_author: int | None = None
    conversation: int | None = None
    quoted: int | None = None
    mentions: tuple[int, ...] | None = None
    created_at: str | None = None
    lang: str = "en"
    visible_after: float = 0.0
    ref: str | None = None


@dataclass(slots=True)
class XStore:
    """Everything the stand-in X knows."""

    accounts: dict[int, Account] = field(default_factory=dict)
    by_username: dict[str, Account] = field(default_factory=dict)
    by_bearer: dict[str, Account] = field(default_factory=dict)
    by_access_token: dict[str, Account] = field(default_factory=dict)
    posts: dict[int, Post] = field(default_factory=dict)
    refs: dict[str, int] = field(default_factory=dict)
    mentions: dict[int, Timeline] = field(default_factory=dict)
    own: dict[int, Timeline] = field(default_factory=dict)
    conversations: dict[int, Timeline] = field(default_factory=dict)
    everything: Timeline = field(default_factory=Timeline)
    messages: dict[int, list[DirectMessage]] = field(default_factory=dict)
    ids: Snowflakes = field(default_factory=Snowflakes)

    def account(self, username: str, *, name: str = "", brand: bool = False) -> Account:
        """Give the account of that name, made on first use."""
        username = username.lstrip("@")
        known = self.by_username.get(username.lower())
        if known is None:
            known = Account(account_id(username), username, name or username)
            while known.id in self.accounts:
                known.id += 1
            self.accounts[known.id] = self.by_username[username.lower()] = known
            self.by_bearer[known.bearer] = self.by_access_token[known.access_token] = known
        known.name = name or known.name
        known.brand = known.brand or brand
        return known

    def user_of(self, *, bearer: str = "", consumer: str = "", token: str = "") -> Account | None:
        """Say whom a request's credentials act for."""
        if bearer:
            return self.by_bearer.get(bearer)
        return self.by_access_token.get(token) if consumer == CONSUMER_KEY else None

    def timeline(self, kind: str, account: int) -> Timeline:
        """Give an account's `mentions` or `own` timeline."""
        lines = self.mentions if kind == "mentions" else self.own
        return lines.setdefault(account, Timeline())

    def id_of_ref(self, ref: str, *, now: float) -> int:
        """Give the id that stands for a foreign id, made on first use."""
        if ref not in self.refs:
            self.refs[ref] = self.ids.next(now)
        return self.refs[ref]

    def publish(self, draft: Draft, *, now: float | None = None) -> Post:
        """Put a post on the network."""
        now = time.time() if now is None else now
        post_id = self.ids.next(now)
        parent = self.posts.get(draft.parent) if draft.parent else None
        parent_author = draft.parent_author
        if parent is not None and parent.author is not None:
            parent_author = parent.author.id
        conversation = draft.conversation or (parent.conversation if parent else draft.parent)
        post = Post(
            id=post_id,
            text=draft.text,
            author=draft.author,
            conversation=conversation or post_id,
            created_at=draft.created_at or iso(now),
            parent=draft.parent,
            parent_author=parent_author,
            quoted=draft.quoted,
            revisions=[post_id],
            lang=draft.lang,
            visible_at=now + draft.visible_after if draft.visible_after else 0.0,
            accepted_at=now,
            ref=draft.ref,
        )
        post.mentions = self._mentioned(post) if draft.mentions is None else list(draft.mentions)
        self._list(post)
        if draft.ref is not None:
            self.refs[draft.ref] = post_id
        return post

    def edit(self, post: Post, text: str, *, now: float | None = None) -> Post:
        """Replace a post by a new revision of it, under a new id."""
        now = time.time() if now is None else now
        new = Post(
            id=self.ids.next(now),
            text=text,
            author=post.author,
            conversation=post.conversation,
            created_at=iso(now),
            parent=post.parent,
            parent_author=post.parent_author,
            quoted=post.quoted,
            revisions=post.revisions,
            lang=post.lang,
            accepted_at=now,
            ref=post.ref,
        )
        post.revisions.append(new.id)
        post.superseded = True
        self._unlist(post)
        new.mentions = list(dict.fromkeys([*self._mentioned(new), *post.mentions]))
        self._list(new)
        if post.ref is not None:
            self.refs[post.ref] = new.id
        return new

    def delete(self, post: Post) -> None:
        """Take a post and all its revisions off the network."""
        for revision in post.revisions:
            self.posts[revision].deleted = True
            self._unlist(self.posts[revision])

    def garbage(
        self, account: Account, item: Json, *, ref: str | None, now: float, with_id: bool
    ) -> Post:
        """Put something into an account's mentions that is no post: malformed input."""
        post_id = self.ids.next(now)
        if with_id:
            item = {**item, "id": str(post_id)}
        post = Post(
            id=post_id,
            text="",
            author=None,
            conversation=post_id,
            created_at=iso(now),
            mentions=[account.id],
            revisions=[post_id],
            accepted_at=now,
            garbage=item,
            ref=ref,
        )
        self._list(post)
        if ref is not None:
            self.refs[ref] = post_id
        return post

    def send(
        self, sender: Account, to: Account, text: str, *, visible_after: float = 0.0
    ) -> DirectMessage:
        """Put a direct message into both inboxes."""
        now = time.time()
        pair = sorted((sender.id, to.id))
        message = DirectMessage(
            id=self.ids.next(now),
            conversation=f"{pair[0]}-{pair[1]}",
            sender=sender,
            text=text,
            created_at=iso(now),
            visible_at=now + visible_after if visible_after else 0.0,
        )
        for account in {sender.id, to.id}:
            self.messages.setdefault(account, []).append(message)
        return message

    def _mentioned(self, post: Post) -> list[int]:
        """Find whom a post reaches: known handles in its text, and the author it replies to."""
        found = {
            account.id: None
            for name in HANDLE.findall(post.text)
            if (account := self.by_username.get(name.lower())) is not None
        }
        if post.parent_author is not None:
            found[post.parent_author] = None
        if post.author is not None:
            found.pop(post.author.id, None)
        return list(found)

    def _list(self, post: Post) -> None:
        self.posts[post.id] = post
        for account in post.mentions:
            self.timeline("mentions", account).add(post)
        if post.author is not None:
            self.timeline("own", post.author.id).add(post)
            self.conversations.setdefault(post.conversation, Timeline()).add(post)
            self.everything.add(post)

    def _unlist(self, post: Post) -> None:
        for account in post.mentions:
            self.timeline("mentions", account).forget(post)
        if post.author is not None:
            self.timeline("own", post.author.id).forget(post)

    def backlog(self) -> int:
        """Count the mentions of brand accounts that no client has been given yet."""
        return sum(
            line.backlog
            for account, line in self.mentions.items()
            if account in self.accounts and self.accounts[account].brand
        )
