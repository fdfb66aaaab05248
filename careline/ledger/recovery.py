"""A shard back to what was promised: after a restart, a failover or a FLUSHALL.

Promises: the six steps of the design (section 3), each repeatable, so that a killed recovery is
followed by another one. Of two recoveries the later one goes on and the earlier one is fenced. What
the outbox of an earlier life still sends is void behind the `EpochStarted`. With the data intact
there is nothing to read. Records that are gone from a topic are never passed over in silence.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import structlog

from careline.ledger.absorb import Absorber
from careline.ledger.apply import Applier
from careline.ledger.fence import Fence, Fenced, InputLost
from careline.ledger.outbox import SOURCE, Epochs
from careline.ledger.store import Ledger
from careline.runtime.clock import Clock, SystemClock
from careline.runtime.kafka import LogReader, Producer, Record, RecordsGone
from schemas.envelope import pack
from schemas.events import EpochStarted
from schemas.identity import shard_tag
from schemas.packing import heard_id
from schemas.topics import CASES_COMMANDS, CASES_EVENTS, MENTIONS_TRIAGED

_BATCH: Final = 500
_HELD: Final = 5_000
"""Records of an input that a recovery keeps in memory, so that it need not read them twice."""
_HANDLER: Final = "ledger.recovery"
_log = structlog.get_logger(__name__)


async def recover(
    ledger: Ledger,
    shard: int,
    *,
    producer: Producer,
    reader: LogReader,
    applier: Applier,
    clock: Clock | None = None,
) -> Fence:
    """Recover a shard unless it is healthy; return the fence that stands then.

    The first start is the recovery of nothing.

    Raises:
        Fenced: somebody else recovers it now, or the server changed meanwhile; look again.
        InputLost: the log or an input lacks records that the shard has not seen.
        Unavailable: Kafka, or LedgerUnavailable: Redis; call again.
    """
    seen = await ledger.fence(shard)
    if seen.healthy:
        return seen
    token = uuid.uuid4().hex
    epoch = await set_epoch(ledger, shard, seen.value, f"recovering:{token}")
    known = await reader.end(CASES_EVENTS.name, shard) - 1
    # Asked behind that look: whoever takes over from here on begins his epoch behind `known`.
    if (stands := await ledger.fence(shard)).value != epoch:
        raise Fenced(shard, stands.value)
    n = await _announce(producer, shard, token, known, clock or SystemClock())
    _log.info("recovery began", shard=shard, epoch=n, found=seen.value or "nothing")
    if await _left_behind(ledger, reader, shard, n):
        await ledger.script("wipe", shard, epoch)
        _log.warning("a copy that others have gone on without: its shard is emptied", shard=shard)
    absorber = await absorb(ledger, reader, shard, epoch, n)
    await _tell(absorber, shard, applier)
    for topic in (MENTIONS_TRIAGED.name, CASES_COMMANDS.name):
        await replay_input(ledger, reader, applier, shard, topic, epoch, absorbed=absorber.causes)
    marked = await _mark_unknown(ledger, shard, epoch)
    value = await set_epoch(ledger, shard, epoch, str(n), same_server=True)
    _log.info(
        "recovery ended",
        shard=shard,
        epoch=n,
        absorbed=len(absorber.causes),
        effects_unknown=marked,
    )
    return Fence(n=n, recovering=False, value=value, foreign=False)


async def replay(  # noqa: PLR0913 - where from, and under what
    ledger: Ledger,
    shard: int,
    topic: str,
    start: int,
    *,
    reader: LogReader,
    applier: Applier,
    epoch: str = "",
    settled_up_to: int = -1,
    held: Sequence[list[Record]] = (),
) -> int:
    """Apply a topic's records from ``start`` to its present end, in order; return that end.

    What the shard has taken in meanwhile, or what is ``held`` already, is not read again. Raises
    `InputLost` if records from there on are gone from the topic.
    """
    seen = (await ledger.position(shard)).inputs.get(topic)
    start = start if seen is None else max(start, seen + 1)
    end = await reader.end(topic, shard)
    begin = await reader.beginning(topic, shard)
    if start < begin or start > end:
        raise InputLost(shard, topic, start, begin if start < begin else end)
    for batch in held:
        records = [record for record in batch if record.offset >= start]
        if records:
            await applier.apply_under(epoch, topic, {shard: records}, settled_up_to=settled_up_to)
            start = records[-1].offset + 1
    async for records in _read(reader, shard, topic, start, end):
        await applier.apply_under(epoch, topic, {shard: records}, settled_up_to=settled_up_to)
    return end


async def set_epoch(
    ledger: Ledger, shard: int, seen: str, new: str, *, same_server: bool = False
) -> str:
    """Set the epoch if it still is as it was seen; return it. Raises `Fenced`."""
    answer, value = await ledger.scripts.run("set_epoch", shard, seen, new, int(same_server))
    if answer != b"ok":
        raise Fenced(shard, value.decode())
    found: str = value.decode()
    return found


async def _announce(producer: Producer, shard: int, token: str, known: int, clock: Clock) -> int:
    """Append `EpochStarted`; its offset is the number of the new epoch.

    It names the last offset known before it: should this recovery be given up and its record land
    late, behind the epoch of another one, then every reader knows it for void.
    """
    started = EpochStarted(event_id=token, shard=shard, token=token, at=clock.now())
    packed = pack(
        started,
        type=f"{started.type}.v1",
        id=token,
        source=SOURCE,
        subject=shard_tag(shard),
        time=started.at,
        key=shard_tag(shard),
        extensions={"epoch": str(known)},
    )
    return await producer.send(CASES_EVENTS.name, shard, packed)


async def absorb(ledger: Ledger, reader: LogReader, shard: int, epoch: str, n: int) -> Absorber:
    """Take the log in from where the shard stands up to offset ``n``. Raises `InputLost`."""
    topic = CASES_EVENTS.name
    position = await ledger.position(shard)
    begin = await reader.beginning(topic, shard)
    start = begin if position.log is None else position.log + 1
    if start < begin or start > n:
        # Who recovers the shard since may have taken in more than we began with: no loss.
        if (stands := await ledger.fence(shard)).value != epoch:
            raise Fenced(shard, stands.value)
        raise InputLost(shard, topic, start, begin if start < begin else n)
    absorber = Absorber(ledger, shard, epoch=epoch, log_epoch=position.log_epoch, beginning=begin)
    async for records in _read(reader, shard, topic, start, n + 1):
        await absorber.absorb(records)
    return absorber


async def _left_behind(ledger: Ledger, reader: LogReader, shard: int, n: int) -> bool:
    """Return whether a later life has written to the log, and this copy still has things unsent.

    Then it is a copy of before that life: what stands in its outbox was decided anew there, and
    sent now would be a second history.
    """
    position = await ledger.position(shard)
    if not position.outbox or position.log is None:
        return False
    epochs = Epochs(position.log_epoch)
    async for records in _read(reader, shard, CASES_EVENTS.name, position.log + 1, n):
        for record in records:
            counts = epochs.admits(record.offset, record.headers)
            later = epochs.current > position.log_epoch
            # The mark of its beginning says nothing yet.
            if counts and later and record.offset != epochs.current:
                return True
    return False


async def _tell(absorber: Absorber, shard: int, applier: Applier) -> None:
    """Put in front of a person what the log does not say any more, or not in our words."""
    topic = CASES_EVENTS.name
    for case_id, offset in absorber.headless.items():
        _log.error("case without a beginning in the log", shard=shard, case=case_id, offset=offset)
        await applier.quarantine.report(
            source=topic,
            position=f"{shard}:{offset}",
            value=case_id.encode(),
            reason="case_without_beginning",
            handler=_HANDLER,
        )
    for record, reason in absorber.unreadable:
        _log.error("event cannot be read", shard=shard, offset=record.offset, reason=reason)
        await applier.quarantine.report(
            source=topic,
            position=f"{shard}:{record.offset}",
            value=record.value or b"",
            reason=reason,
            handler=_HANDLER,
        )


async def replay_input(  # noqa: PLR0913, PLR0917 - one step of the six
    ledger: Ledger,
    reader: LogReader,
    applier: Applier,
    shard: int,
    topic: str,
    epoch: str,
    *,
    absorbed: AbstractSet[str] = frozenset(),
    settled_up_to: int = -1,
) -> None:
    """Apply a topic from where the shard stands; what is proved to be decided is not decided anew.

    That is all up to ``settled_up_to``, or up to the last record that caused one of ``absorbed``.
    """
    begin = await reader.beginning(topic, shard)
    (seen,) = await ledger.script("seed", shard, epoch, topic, begin - 1)
    start = int(seen) + 1
    end = await reader.end(topic, shard)
    held: list[list[Record]] = []
    if end - start <= _HELD:
        # Opening a topic costs more than reading so little of it: once will do.
        held = [records async for records in _read(reader, shard, topic, start, end)]
    settled = settled_up_to
    if absorbed:
        batches = _in_hand(held) if held else _read(reader, shard, topic, start, end)
        settled = max(settled, await _settled_up_to(batches, absorbed))
    await replay(
        ledger,
        shard,
        topic,
        start,
        reader=reader,
        applier=applier,
        epoch=epoch,
        settled_up_to=settled,
        held=held,
    )


async def _settled_up_to(batches: AsyncIterator[list[Record]], absorbed: AbstractSet[str]) -> int:
    """Return the last offset that is proved to have been decided in an earlier life.

    The outbox passes over nothing: if the log holds what a record caused, then whatever the records
    before it caused is in the log too, and those that caused nothing must cause nothing now, when
    cases stand already that were opened after them. A repeat of a cause proves nothing.
    """
    settled = -1
    first = set(absorbed)
    async for records in batches:
        for record in records:
            cause = heard_id(record.headers)
            if cause in first:
                first.discard(cause)
                settled = record.offset
    return settled


async def _in_hand(held: Sequence[list[Record]]) -> AsyncIterator[list[Record]]:
    for records in held:
        yield records


async def _read(
    reader: LogReader, shard: int, topic: str, start: int, end: int
) -> AsyncIterator[list[Record]]:
    """Yield records in batches of a bounded size. Raises `InputLost` if they are gone."""
    try:
        async for records in reader.read(topic, shard, start, end):
            for at in range(0, len(records), _BATCH):
                yield records[at : at + _BATCH]
    except RecordsGone as error:
        found = await reader.beginning(topic, shard)
        raise InputLost(shard, topic, start, found) from error


async def _mark_unknown(ledger: Ledger, shard: int, epoch: str) -> int:
    """Take every effect without an outcome as attempted now, with unknown outcome."""
    marked, cursor = 0, b"0"
    while True:
        cursor, count = await ledger.script("mark_unknown", shard, epoch, cursor)
        marked += int(count)
        if cursor == b"0":
            return marked
