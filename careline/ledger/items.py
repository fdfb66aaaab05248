"""Records of the input, read: what each says, which cause it is, and whether it belongs here.

Promises: reading never raises; what cannot be read is an item that says why, in its place in the
order. A record of a conversation of another shard is never applied here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from careline.domain.draft import Cause
from careline.runtime.kafka import Record
from schemas.commands import COMMAND, Command, CorrectTriage, RecordOutcome, ReportUnreadable
from schemas.envelope import Unreadable, header, unpack
from schemas.identity import digest_of, mention_id, shard_of, shard_of_case
from schemas.mentions import (
    BrandPosted,
    ConnectorCursor,
    MentionDeleted,
    MentionEdited,
    MentionReceived,
)
from schemas.topics import CASES_COMMANDS
from schemas.triage import TRIAGED, MentionTriaged, RecordSkipped

Body = MentionTriaged | Command
_REMEMBERED_MAX: Final = 4096


class Remembered:
    """What this process has just encoded itself, by its bytes: nothing of it need be read again.

    Bounded, and only a short cut: what is not here is read from the record.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._bodies: dict[bytes, MentionTriaged] = {}
        self._passed_over = 0

    def keep(self, raw: bytes, body: MentionTriaged) -> None:
        """Remember a body until its record comes.

        When there is no room the new one is passed over: the oldest is the one that comes next.
        If that goes on, nobody asks for the old ones any more: their partition has moved away.
        """
        if len(self._bodies) < _REMEMBERED_MAX:
            self._bodies[raw] = body
            return
        self._passed_over += 1
        if self._passed_over > _REMEMBERED_MAX:
            self._bodies.clear()
            self._passed_over = 0

    def take(self, raw: bytes | None) -> MentionTriaged | None:
        """Return the body of exactly these bytes, once."""
        return self._bodies.pop(raw or b"", None)


@dataclass(slots=True, kw_only=True)
class Item:
    """One record of a batch: its body, or the reason why it has none."""

    record: Record
    cause: Cause | None = None
    body: Body | None = None
    unreadable: str = ""
    elsewhere: int | None = None
    """The shard that a command belongs to, if not this one."""
    source_offset: int | None = None
    """Triaged records: the offset in ``mentions.received`` that this one stands for."""
    done: bool = False

    @property
    def repeats_freely(self) -> bool:
        """Whether a repeat may have another body: it is heard or reported anew, not asked anew."""
        return isinstance(self.body, (MentionTriaged, RecordOutcome, ReportUnreadable))

    @property
    def line(self) -> str | None:
        """The line of a customer's message."""
        heard = self.body.heard if isinstance(self.body, MentionTriaged) else None
        if isinstance(heard, (MentionReceived, MentionEdited, MentionDeleted)):
            return heard.line
        return None

    @property
    def mention(self) -> str | None:
        """The id of what was heard."""
        heard = self.body.heard if isinstance(self.body, MentionTriaged) else None
        return None if heard is None or isinstance(heard, ConnectorCursor) else heard.mention_id

    @property
    def target(self) -> str | None:
        """The mention that an own post replies to, or that a person takes for a query."""
        if isinstance(self.body, CorrectTriage):
            return self.body.mention_id if self.body.query else None
        heard = self.body.heard if isinstance(self.body, MentionTriaged) else None
        if not isinstance(heard, BrandPosted) or heard.in_reply_to is None:
            return None
        return mention_id(heard.conversation.network, heard.account, heard.in_reply_to)

    @property
    def case(self) -> str | None:
        """The case that a command names."""
        return None if isinstance(self.body, MentionTriaged | None) else self.body.case_id


def read_items(
    topic: str,
    shard: int,
    records: Sequence[Record],
    *,
    partitions: int,
    remembered: Remembered | None = None,
) -> list[Item]:
    """Return the items of a batch, one for each record and in its order.

    What stands for a skipped record is settled: its dead letter was there before it.
    """
    known = remembered or Remembered()
    items = []
    for record in records:
        if record.is_stand_in:
            items.append(Item(record=record))
        elif topic == CASES_COMMANDS.name:
            items.append(_command(record, shard, partitions))
        else:
            items.append(_triaged(record, shard, partitions, known))
    return items


def _triaged(record: Record, shard: int, partitions: int, known: Remembered) -> Item:
    source = header(record.headers, "sourceoffset")
    item = Item(record=record, source_offset=int(source) if source and source.isdigit() else None)
    try:
        body = known.take(record.value) or unpack(TRIAGED, record.value)
    except Unreadable as error:
        item.unreadable = error.reason
        return item
    if isinstance(body, RecordSkipped):
        return item
    if shard_of(body.heard.conversation.key, partitions) != shard:
        item.unreadable = "wrong_partition"
        return item
    item.body = body
    item.cause = Cause(id=body.heard.event_id, digest=digest_of(record.value or b""))
    return item


def _command(record: Record, shard: int, partitions: int) -> Item:
    item = Item(record=record)
    try:
        body = unpack(COMMAND, record.value)
    except Unreadable as error:
        item.unreadable = error.reason
        return item
    item.body = body
    item.cause = Cause(id=body.command_id, digest=digest_of(record.value or b""))
    home = shard_of_case(body.case_id)
    # An id that names no shard of ours has no home: it is refused where it came in.
    if home is not None and home < partitions and home != shard:
        item.elsewhere = home
    return item
