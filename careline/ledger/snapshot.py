"""What the ledger holds of the things a batch touches, and what the batch has changed of it so far.

Promises: a later record of a batch is decided on what the earlier ones left; a case is decoded at
most once; `head` and `raw` are exactly what the ledger answered, so that a commit can name what it
was decided on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from careline.domain.case import Case, Line
from careline.domain.codec import load_case
from careline.ledger.items import Item
from careline.ledger.scripts import Arg, Reply
from careline.ledger.store import from_ms, line_of, line_raw, mention_of
from schemas.topics import MENTIONS_RECEIVED
from schemas.triage import MentionTriaged


@dataclass(slots=True)
class CaseSlot:
    """A case as the ledger holds it, or as the batch has left it."""

    head: str = ""
    raw: bytes | None = None
    loaded: Case | None = None

    @property
    def case(self) -> Case | None:
        """The case, decoded when it is first asked for."""
        if self.loaded is None and self.raw:
            self.loaded = load_case(self.raw)
        return self.loaded


@dataclass(slots=True)
class LineSlot:
    """A line with the bytes that it was read from."""

    raw: bytes = b""
    loaded: Line | None = None

    @property
    def line(self) -> Line:
        """The line; one never heard of is empty."""
        if self.loaded is None:
            self.loaded = line_of(self.raw) if self.raw else Line()
        return self.loaded


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be read for a batch."""

    topic: str
    causes: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()

    @classmethod
    def by(cls, topic: str, items: Iterable[Item]) -> Wanted:
        """Return what these items need, each once."""
        causes: dict[str, None] = {}
        lines: dict[str, None] = {}
        mentions: dict[str, None] = {}
        targets: dict[str, None] = {}
        cases: dict[str, None] = {}
        for item in items:
            if item.cause is None or item.elsewhere is not None:
                continue
            causes[item.cause.id] = None
            for found, kept in (
                (item.line, lines),
                (item.mention, mentions),
                (item.target, targets),
                (item.case, cases),
            ):
                if found is not None:
                    kept[found] = None
        return cls(
            topic, tuple(causes), tuple(lines), tuple(mentions), tuple(targets), tuple(cases)
        )

    def args(self, epoch: str) -> list[Arg]:
        """Return the arguments of ``read.lua``."""
        lists = (self.causes, self.lines, self.mentions, self.targets, self.cases)
        args: list[Arg] = [epoch, self.topic, MENTIONS_RECEIVED.name]
        for found in lists:
            args.append(len(found))
            args.extend(found)
        return args


@dataclass(slots=True)
class Snapshot:
    """The answer of ``read.lua`` for one shard, changed as the batch is decided."""

    epoch: str
    now: datetime
    seen: int | None
    source_seen: int | None
    causes: dict[str, bytes] = field(default_factory=dict)
    lines: dict[str, LineSlot] = field(default_factory=dict)
    cases: dict[str, CaseSlot] = field(default_factory=dict)
    awaited: dict[str, str] = field(default_factory=dict)
    mentions: dict[str, bytes | MentionTriaged] = field(default_factory=dict)
    erased: dict[str, datetime] = field(default_factory=dict)
    """Authors (by `schemas.identity.author_hash`) whose words heard up to then stay away."""

    def case(self, case_id: str | None) -> CaseSlot:
        """Return a case's slot; an unknown case has an empty one."""
        return self.cases.setdefault(case_id or "", CaseSlot())

    def line(self, line: str) -> LineSlot:
        """Return a line's slot."""
        return self.lines.setdefault(line, LineSlot())

    def mention(self, mention_id: str) -> MentionTriaged | None:
        """Return a mention that was heard, in this batch or before it."""
        found = self.mentions.get(mention_id)
        if isinstance(found, bytes):
            found = self.mentions[mention_id] = mention_of(found)
        return found

    def put_mention(self, mention_id: str, triaged: MentionTriaged) -> None:
        """Keep what this batch heard."""
        self.mentions[mention_id] = triaged

    def put_line(self, line: str, value: Line) -> bytes:
        """Keep a line's new value; return its record."""
        raw = line_raw(value)
        self.lines[line] = LineSlot(raw, value)
        return raw


def snapshot_of(wanted: Wanted, reply: Reply) -> Snapshot:
    """Return the snapshot that a reply of ``read.lua`` (without its ``ok``) holds."""
    epoch, micros, seen, source_seen, lengths, blob, erased = reply
    found = Snapshot(
        epoch=epoch.decode(),
        now=from_ms(int(micros) / 1000),
        seen=int(seen) if seen else None,
        source_seen=int(source_seen) if source_seen else None,
        erased={
            name.decode(): from_ms(int(at))
            for name, at in zip(erased[::2], erased[1::2], strict=True)
        },
    )
    values = _values(lengths, blob)
    for cause in wanted.causes:
        if (raw := next(values)) is not None:
            found.causes[cause] = raw
    for line in wanted.lines:
        found.lines[line] = LineSlot(next(values) or b"")
    for mention in wanted.mentions:
        _keep(found.mentions, mention, next(values))
        if (raw := next(values)) is not None:
            found.awaited[mention] = raw.decode()
    for mention in wanted.targets:
        _keep(found.mentions, mention, next(values))
        named, line_bytes = next(values), next(values)
        if named is not None:
            found.lines[named.decode()] = LineSlot(line_bytes or b"")
    for case in values:
        head, state = next(values), next(values)
        found.cases[(case or b"").decode()] = CaseSlot((head or b"").decode(), state)
    return found


def _keep(mentions: dict[str, bytes | MentionTriaged], mention: str, raw: bytes | None) -> None:
    if raw is not None:
        mentions[mention] = raw


def _values(lengths: bytes, blob: bytes) -> Iterator[bytes | None]:
    at = 0
    sizes: Sequence[str] = lengths.decode().split(",") if lengths else ()
    for size in map(int, sizes):
        if size < 0:
            yield None
        else:
            yield blob[at : at + size]
            at += size
