"""What nobody could read: its bytes are kept as a dead letter, and a person is told.

Promises: `report` returns only when both the dead letter and the command that puts it into an
operations case are acknowledged, so the caller may move on. Repeating a report is harmless: the
command has the same id. Of a record that a person has skipped the letter comes last, because it is
what readers pass over the record for.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import uuid
import zlib
from pathlib import Path
from typing import Final

from careline.domain.operations import operations_case, operations_shard
from careline.runtime.clock import Clock, SystemClock
from careline.runtime.kafka import Producer
from careline.runtime.skips import SKIPPED
from schemas.commands import Actor, ActorKind, ReportUnreadable
from schemas.envelope import Packed
from schemas.identity import NAMESPACE
from schemas.packing import pack_command
from schemas.topics import CASES_COMMANDS, DEAD_LETTERS

LARGEST_LETTER: Final = 256 * 1024
_SKIPPER: Final = "careline topics skip"
SKIPPED_BY: Final = "skipped-by"
SKIPPED_BECAUSE: Final = "skipped-because"
"""Headers of the letter of a record that a person has skipped."""
_REPORTER: Final = Actor(kind=ActorKind.EXECUTOR, id="quarantine")


class Quarantine:
    """Sends dead letters and reports them."""

    def __init__(
        self,
        producer: Producer,
        partitions: int,
        *,
        clock: Clock | None = None,
        spool: Path | None = None,
    ) -> None:
        """Bytes too large for a record go to files in ``spool``, which the dead letter names."""
        self._producer = producer
        self._partitions = partitions
        self._clock = clock or SystemClock()
        self._spool = spool or Path(tempfile.gettempdir()) / "careline-dead-letters"

    async def report(
        self, *, source: str, position: str, value: bytes, reason: str, handler: str
    ) -> None:
        """Keep the bytes and tell a person; ``position`` is ``partition:offset`` or a network's id.

        Raises ``Unavailable``: neither may be taken as done, report again.
        """
        letter = await self._letter(source, position, value, reason, handler)
        await self._producer.send(
            DEAD_LETTERS.name, zlib.crc32(letter.key) % self._partitions, letter
        )
        await self.tell(source=source, position=position, reason=reason)

    async def skip(
        self, *, topic: str, partition: int, offset: int, value: bytes, by: Actor, because: str
    ) -> None:
        """Let every reader pass over a record; ``value`` is what can still be made out of it.

        First the case in front of a person, then the letter, in the partition of the same number,
        where readers look for it. Raises ``Unavailable``: it may not be skipped yet, ask again.
        """
        position = f"{partition}:{offset}"
        who = by.name or by.id
        await self.tell(
            source=topic, position=position, reason=f"{SKIPPED} by {who}: {because}", actor=by
        )
        letter = await self._letter(topic, position, value, SKIPPED, _SKIPPER)
        letter.headers.extend([(SKIPPED_BY, who.encode()), (SKIPPED_BECAUSE, because.encode())])
        await self._producer.send(DEAD_LETTERS.name, partition, letter)

    async def tell(
        self, *, source: str, position: str, reason: str, actor: Actor = _REPORTER
    ) -> None:
        """Tell a person of something that leaves no bytes; once for each position and reason.

        Raises ``Unavailable``: tell again.
        """
        now = self._clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        command = ReportUnreadable(
            command_id=str(uuid.uuid5(NAMESPACE, f"unreadable|{source}|{position}|{reason}")),
            case_id=operations_case(source, reason, hour, partitions=self._partitions),
            issued_at=now,
            actor=actor,
            reason=reason,
            source=source,
            position=position,
            hour=hour,
        )
        packed = pack_command(command, source="careline/quarantine")
        shard = operations_shard(source, reason, hour, partitions=self._partitions)
        await self._producer.send(CASES_COMMANDS.name, shard, packed)

    async def _letter(
        self, source: str, position: str, value: bytes, reason: str, handler: str
    ) -> Packed:
        headers = {
            "ce_id": str(uuid.uuid5(NAMESPACE, f"dead-letter|{source}|{position}")),
            "reason": reason,
            "topic": source,
            "position": position,
            "handler": handler,
        }
        partition, _, offset = position.partition(":")
        if partition.isdigit() and offset.isdigit():
            headers |= {"partition": partition, "offset": offset}
        if len(value) > LARGEST_LETTER:
            headers["spool"] = str(await asyncio.to_thread(self._keep, value))
            value = b""
        return Packed(
            key=f"{source}:{position}".encode(),
            value=value,
            headers=[(name, found.encode()) for name, found in headers.items()],
        )

    def _keep(self, value: bytes) -> Path:
        self._spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._spool / hashlib.sha256(value).hexdigest()
        path.write_bytes(value)
        path.chmod(0o600)
        return path
