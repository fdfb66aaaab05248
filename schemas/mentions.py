"""What a connector hears: mentions, direct messages, edits, deletes, the brand's own posts.

Promises: one record of ``mentions.received.v1`` for each thing heard, self-describing by ``kind``,
with an event id that every repeat shares (``network:brand-account:native-id:revision``). Text is as
heard, cut at 64 kB by the connector.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.base import Text, UtcDatetime, Wire
from schemas.identity import DELETED, ConversationKey, LineKey, MentionId, line_key, mention_id

TEXT_LIMIT_BYTES = 64 * 1024


class Visibility(enum.StrEnum):
    """Who could read a message on the network."""

    PUBLIC = "public"
    """A mention: anyone could."""
    DIRECT = "direct"
    """A direct message: only the author and the brand; its text never reaches a public place."""


class AuthorRef(Wire):
    """The person on the network; identity is the id, never the handle."""

    id: str
    handle: Text = ""
    name: Text = ""
    followers: int | None = None


class MediaRef(Wire):
    """A picture or film beside a text; never fetched by careline."""

    kind: str
    url: str = ""
    alt: Text = ""


class ConversationRef(Wire):
    """A thread on a network: its root post, or the direct-message conversation."""

    network: str
    root: str
    visibility: Visibility = Visibility.PUBLIC

    @property
    def key(self) -> ConversationKey:
        """The Kafka key and unit of order: ``network:root`` or ``network:dm:root``."""
        middle = "dm:" if self.visibility is Visibility.DIRECT else ""
        return ConversationKey(f"{self.network}:{middle}{self.root}")


class Heard(Wire):
    """The facts shared by everything that a connector hears of a conversation."""

    account: str
    """The brand account that heard it, by its name in the configuration."""
    native_id: str
    """The network's id; for an edited post the first id of its edit history."""
    conversation: ConversationRef
    heard_at: UtcDatetime
    """Stamped once by the connector; SLA time runs from here."""

    @property
    def mention_id(self) -> MentionId:
        """The id that all revisions share."""
        return mention_id(self.conversation.network, self.account, self.native_id)


class _Posted(Heard):
    author: AuthorRef
    text: Text
    created_at: UtcDatetime
    """The customer's clock: shown and reported, never used for a deadline."""
    revision: str = "0"
    revision_id: str = ""
    """The network's own id of this revision, where an edit gets a new one."""
    in_reply_to: str | None = None
    media: tuple[MediaRef, ...] = ()
    url: str = ""
    truncated: bool = False
    text_bytes: int | None = None
    """Length before the cut, with ``text_sha256``, where ``truncated``."""
    text_sha256: str | None = None

    @property
    def event_id(self) -> str:
        """The id of this revision; the cause id of all that follows from it."""
        return f"{self.mention_id}:{self.revision}"

    @property
    def order(self) -> tuple[str, str]:
        """A sort key: the order in which messages of one thread were written (time, then id)."""
        return (self.created_at.isoformat(), self.native_id.rjust(24, "0"))


class _ByAuthor(_Posted):
    @property
    def line(self) -> LineKey:
        """The line (author in a thread with a brand account) that the mention belongs to."""
        return line_key(
            self.conversation.network, self.account, self.conversation.root, self.author.id
        )


class MentionReceived(_ByAuthor):
    """A public mention or a direct message to a brand account."""

    kind: Literal["received"] = "received"


class MentionEdited(_ByAuthor):
    """A new revision of a mention; it changes the obligation and re-opens it if it was answered."""

    kind: Literal["edited"] = "edited"


class MentionDeleted(Heard):
    """The author withdrew a mention; its obligation is closed, ``withdrawn by author``."""

    kind: Literal["deleted"] = "deleted"
    author: AuthorRef

    @property
    def event_id(self) -> str:
        """The id of the delete."""
        return f"{self.mention_id}:{DELETED}"

    @property
    def line(self) -> LineKey:
        """The line of the mention that is gone."""
        return line_key(
            self.conversation.network, self.account, self.conversation.root, self.author.id
        )


class BrandPosted(_Posted):
    """The brand's own post, ours or typed in the network's app; it answers what it covers."""

    kind: Literal["posted"] = "posted"


class ConnectorCursor(Heard):
    """Where a connector stood: on first connect and daily; read back when a cursor is lost."""

    kind: Literal["cursor"] = "cursor"
    source: str
    """What is read: ``mentions``, ``direct_messages``, ``own_posts``."""
    cursor: str

    @property
    def event_id(self) -> str:
        """The id of the cursor record."""
        return f"{self.mention_id}:{self.source}:{self.cursor}"


HeardRecord = Annotated[
    MentionReceived | MentionEdited | MentionDeleted | BrandPosted | ConnectorCursor,
    Field(discriminator="kind"),
]
HEARD: TypeAdapter[HeardRecord] = TypeAdapter(HeardRecord)
"""Reads the body of a record of ``mentions.received.v1``."""
