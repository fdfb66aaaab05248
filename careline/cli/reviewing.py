"""What the log and the ledger know of how triage did, read for the commands of `careline triage`.

Promise: reads only. Records that a recovery made void, or that no version of ours can read, count
for nothing, as for every reader of the log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from careline.cli.finding import Found, found_of
from careline.ledger.outbox import Epochs
from careline.ledger.store import Ledger, mention_of
from careline.runtime import topics_admin
from careline.runtime.kafka import LogReader
from careline.settings import Settings
from careline.triage.quality.corrections import Corrections, Reviewed
from careline.triage.quality.labels import Labelled
from careline.triage.quality.refit import Example
from careline.wiring import topics_on_broker
from schemas.envelope import Unreadable, unpack
from schemas.events import LOG
from schemas.mentions import MentionEdited, MentionReceived, Visibility
from schemas.stamped import Stamped
from schemas.topics import CASES_EVENTS
from schemas.triage import MentionTriaged


@asynccontextmanager
async def log_of(settings: Settings) -> AsyncIterator[LogReader]:
    """Open the log alone. Raises ConfigurationError if Kafka does not answer."""
    await topics_admin.require_topics(topics_on_broker(settings))
    reader = LogReader(settings.kafka.brokers, client_id="careline-cli")
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def corrections_of(reader: LogReader, *, partitions: int) -> Corrections:
    """Return what people made of triage, by the whole log. Raises ``Unavailable``."""
    found = Corrections()
    for partition in range(partitions):
        epochs = Epochs()
        begin = await reader.beginning(CASES_EVENTS.name, partition)
        end = await reader.end(CASES_EVENTS.name, partition)
        async for batch in reader.read(CASES_EVENTS.name, partition, begin, end):
            for record in batch:
                if not epochs.admits(record.offset, record.headers):
                    continue
                try:
                    body = unpack(LOG, record.value)
                except Unreadable:
                    continue
                if isinstance(body, Stamped):
                    found.take(body)
    return found


async def examples_of(ledger: Ledger, reviewed: Iterable[Reviewed]) -> list[Example]:
    """Return the texts of mentions that people dealt with, as far as they are still kept."""
    wanted = {each.mention_id: each for each in reviewed}
    found: dict[str, Example] = {}
    for shard in range(ledger.partitions):
        async for name, raw in ledger.stored(shard, "mentions"):
            known = wanted.get(name)
            if known is None:
                continue
            text = _text(mention_of(raw))
            if text:
                found[name] = Example(
                    text=text,
                    query=known.query,
                    sentiment=known.sentiment or (known.sentiment_said if known.query else None),
                    urgency=known.urgency or (known.urgency_said if known.query else None),
                    corrected=known.corrected,
                )
    return list(found.values())


async def mentions_of(ledger: Ledger, *, direct: bool) -> AsyncIterator[tuple[int, MentionTriaged]]:
    """Yield each customer's message that has words, with its shard; private ones only if asked."""
    for shard in range(ledger.partitions):
        seen: set[str] = set()
        async for name, raw in ledger.stored(shard, "mentions"):
            triaged = mention_of(raw)
            heard = triaged.heard
            if name in seen or not _text(triaged):
                continue
            seen.add(name)
            if direct or heard.conversation.visibility is Visibility.PUBLIC:
                yield shard, triaged


async def row_of(ledger: Ledger, shard: int, triaged: MentionTriaged) -> Labelled | None:
    """Return the row of a mention for labelling."""
    heard = triaged.heard
    if not isinstance(heard, (MentionReceived, MentionEdited)):
        return None
    where = await found_of(ledger, heard.mention_id, triaged, shard)
    return _row(where) if where is not None else None


def _row(found: Found) -> Labelled:
    triage = found.triaged.triage
    return Labelled(
        mention_id=found.mention_id,
        case_id=found.case_id,
        heard_at=found.heard.heard_at.isoformat(),
        visibility=found.heard.conversation.visibility.value,
        language=triage.language if triage else "",
        said_query=triage.query if triage else None,
        said_sentiment=triage.sentiment if triage else None,
        said_urgency=triage.urgency if triage else None,
        said_because="; ".join(triage.reasons) if triage else "",
        text=found.heard.text,
    )


def _text(triaged: MentionTriaged) -> str:
    heard = triaged.heard
    return heard.text if isinstance(heard, (MentionReceived, MentionEdited)) else ""
