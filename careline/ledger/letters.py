"""Dead letters: read, looked at with care, and put back where they came from on purpose.

Promises: what may be a direct message, or cannot be told not to be, shows its shape and no word; a
letter is put back with its own bytes, in its own partition, and the letters' topic remembers that
it was, so that nobody does it twice unawares. Doing it again is harmless: ids follow from causes.
"""

from __future__ import annotations

import asyncio
import json
import string
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from careline.ledger.quarantine import SKIPPED_BECAUSE, SKIPPED_BY
from careline.runtime.errors import PermanentError
from careline.runtime.kafka import LogReader, Producer, Record
from schemas.commands import COMMAND
from schemas.envelope import Packed, Unreadable, unpack
from schemas.identity import shard_of, shard_of_case
from schemas.mentions import HEARD, Visibility
from schemas.topics import CASES_COMMANDS, DEAD_LETTERS, MENTIONS_RECEIVED, MENTIONS_TRIAGED
from schemas.triage import TRIAGED, MentionTriaged

REDRIVEN: Final = "careline-redriven"
"""Header of a record that was put back, and of the mark that a letter was."""
_READERS: Final[dict[str, TypeAdapter[Any]]] = {
    MENTIONS_RECEIVED.name: HEARD,
    MENTIONS_TRIAGED.name: TRIAGED,
    CASES_COMMANDS.name: COMMAND,
}
_WIDTH: Final = 16
_PRINTABLE: Final = frozenset(
    (string.ascii_letters + string.digits + string.punctuation + " ").encode()
)
_WORDS: Final = frozenset((string.ascii_letters + string.digits).encode())
_HIDDEN: Final = ord("x")
_ASCII: Final = 0x7F


class CannotRedrive(PermanentError):
    """A letter that cannot be put back as it is."""

    code = "cannot_redrive"


@dataclass(slots=True, kw_only=True)
class LetterFacts:
    """What is known of a dead letter without its bytes."""

    id: str
    """Partition and offset in the letters' topic, such as ``3:17``."""
    topic: str
    """Where it came from: a topic, or a network and account."""
    position: str
    reason: str
    handler: str
    at: datetime
    size: int
    """Its bytes; 0 if a file holds them."""
    spool: str = ""
    """The file that holds it, where it was too large for a record."""
    by: str = ""
    """Who had it skipped, and"""
    because: str = ""
    """why, if somebody did."""
    redriven: list[str] = field(default_factory=list)
    """Each time it was put back: when, and to which offset."""

    @property
    def partition(self) -> int | None:
        """The partition that it came from, if it came from a topic of ours."""
        number, _, offset = self.position.partition(":")
        known = self.topic in _READERS and number.isdecimal() and offset.isdecimal()
        return int(number) if known else None


@dataclass(slots=True, kw_only=True)
class Letter(LetterFacts):
    """One dead letter."""

    value: bytes


class Letters:
    """The topic of dead letters."""

    def __init__(self, reader: LogReader, *, partitions: int) -> None:
        """Read through a started reader."""
        self._reader = reader
        self.partitions = partitions

    async def all(self) -> list[LetterFacts]:
        """Return what is known of every letter, the oldest first. Raises ``Unavailable``."""
        found = await self._found()
        return sorted(found.values(), key=lambda letter: (letter.at, letter.id))

    async def one(self, name: str) -> Letter | None:
        """Return a letter, or None if there is none of that id. Raises ``Unavailable``."""
        known = (await self._found()).get(name)
        if known is None:
            return None
        partition, _, offset = name.partition(":")
        where = DEAD_LETTERS.name, int(partition), int(offset), int(offset) + 1
        value = b""
        async for batch in self._reader.read(*where):
            value = batch[0].value or b""
        return Letter(**asdict(known), value=value)

    async def _found(self) -> dict[str, LetterFacts]:
        found: dict[str, LetterFacts] = {}
        marks: list[tuple[str, str]] = []
        async for record in self._records():
            facts = {name: value.decode("utf-8", "replace") for name, value in record.headers}
            name = f"{record.partition}:{record.offset}"
            if (mark := facts.get(REDRIVEN)) is not None:
                of, _, what = mark.partition(";")
                marks.append((of, what))
            else:
                found[name] = _known(name, record, facts)
        for of, what in marks:
            if of in found:
                found[of].redriven.append(what)
        return found

    async def _records(self) -> AsyncIterator[Record]:
        for number, end in enumerate(await self._reader.ends(DEAD_LETTERS.name, self.partitions)):
            begin = await self._reader.beginning(DEAD_LETTERS.name, number)
            async for batch in self._reader.read(DEAD_LETTERS.name, number, begin, end):
                for record in batch:
                    yield record


def _known(name: str, record: Record, facts: dict[str, str]) -> LetterFacts:
    return LetterFacts(
        id=name,
        topic=facts.get("topic", ""),
        position=facts.get("position", ""),
        reason=facts.get("reason", ""),
        handler=facts.get("handler", ""),
        at=datetime.fromtimestamp(max(record.timestamp_ms, 0) / 1000, UTC),
        size=len(record.value or b""),
        spool=facts.get("spool", ""),
        by=facts.get(SKIPPED_BY, ""),
        because=facts.get(SKIPPED_BECAUSE, ""),
    )


def is_public(letter: Letter) -> bool:
    """Whether a letter says of itself that anybody could read it on the network."""
    try:
        body = json.loads(letter.value)
    except (ValueError, RecursionError):
        return False
    if not isinstance(body, dict):
        return False
    heard = body.get("heard", body)
    conversation = heard.get("conversation") if isinstance(heard, dict) else None
    return isinstance(conversation, dict) and conversation.get("visibility") == Visibility.PUBLIC


def hexdump(value: bytes, *, masked: bool, most: int = 4096) -> list[str]:
    """Return bytes as lines of hex and text; masked: letters, digits and non-ASCII as ``x``.

    Nothing that a terminal would act on is ever in it.
    """
    shown = value[:most]
    if masked:
        shown = bytes(_HIDDEN if one in _WORDS or one > _ASCII else one for one in shown)
    lines = []
    for at in range(0, len(shown), _WIDTH):
        row = shown[at : at + _WIDTH]
        numbers = " ".join("··" if masked and one == _HIDDEN else f"{one:02x}" for one in row)
        text = "".join(chr(one) if one in _PRINTABLE else "." for one in row)
        lines.append(f"{at:06x}  {numbers:<{_WIDTH * 3 - 1}}  {text}")
    if len(value) > most:
        lines.append(f"… {len(value) - most} more bytes")
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """What was done with a letter."""

    topic: str
    partition: int
    offset: int
    readable: bool
    """Whether this version can read it; else it comes back as a dead letter."""


async def redrive(letter: Letter, producer: Producer, *, partitions: int) -> Redriven:
    """Put a letter back where it came from, then mark it so.

    Raises:
        CannotRedrive: it came from no topic of ours, or its bytes are not here.
        Unavailable: nobody knows if it was put back; once more is harmless.
    """
    origin = letter.partition
    if origin is None:
        raise CannotRedrive(
            f"letter {letter.id} came from {letter.topic or 'nowhere'}, not from a topic",
            hint="its network is read again by the connector; look at it with: show",
        )
    value = await asyncio.to_thread(_bytes_of, letter)
    home, key = _home(letter.topic, value, partitions)
    partition = origin if home is None else home
    if partition >= partitions:
        raise CannotRedrive(
            f"letter {letter.id} is of partition {partition}, there are {partitions}",
            hint="is this the cluster that it came from?",
        )
    packed = Packed(
        key=key, value=value, headers=[(REDRIVEN, f"{letter.id};{letter.reason}".encode())]
    )
    offset = await producer.send(letter.topic, partition, packed)
    await _mark(letter, producer, f"to {letter.topic}[{partition}] at offset {offset}")
    return Redriven(
        topic=letter.topic, partition=partition, offset=offset, readable=home is not None
    )


def _bytes_of(letter: Letter) -> bytes:
    if not letter.spool:
        return letter.value
    try:
        return Path(letter.spool).read_bytes()
    except OSError as error:
        raise CannotRedrive(
            f"letter {letter.id}: its bytes are in {letter.spool}, which cannot be read "
            f"({type(error).__name__})",
            hint="run this on the machine that set it aside",
        ) from error


def _home(topic: str, value: bytes, partitions: int) -> tuple[int | None, bytes]:
    """Return the partition and key that a record has by its own words; None: nobody can read it."""
    try:
        body = unpack(_READERS[topic], value)
    except Unreadable:
        return None, b""
    if topic == CASES_COMMANDS.name:
        return shard_of_case(body.case_id), body.case_id.encode()
    heard = body.heard if isinstance(body, MentionTriaged) else body
    conversation = getattr(heard, "conversation", None)
    if conversation is None:
        return None, b""
    return shard_of(conversation.key, partitions), conversation.key.encode()


async def _mark(letter: Letter, producer: Producer, what: str) -> None:
    """Remember in the letters' topic that a letter was put back; it counts as the same letter."""
    headers = {
        "topic": letter.topic,
        "position": letter.position,
        "reason": letter.reason,
        "handler": letter.handler,
        REDRIVEN: f"{letter.id};{what}",
    }
    packed = Packed(
        key=f"{letter.topic}:{letter.position}".encode(),
        value=b"",
        headers=[(name, found.encode()) for name, found in headers.items()],
    )
    await producer.send(DEAD_LETTERS.name, int(letter.id.partition(":")[0]), packed)
