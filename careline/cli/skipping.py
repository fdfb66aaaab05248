"""`careline topics skip`: going on behind records that no broker can serve any more, on the record.

Promise: only what the broker serves damaged is skipped, and only with a name and a reason; before
anything passes over it, Kafka has acknowledged an operations case and a dead letter that say who,
why and which offsets. Asked again, it does what is left of it.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import typer

from careline import wiring
from careline.cli import output
from careline.cli.acting import As, actor_of
from careline.config import load_config
from careline.ledger.quarantine import Quarantine
from careline.runtime import topics_admin
from careline.runtime.damage import damaged_values
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import LogReader, Producer
from careline.runtime.skips import SKIPPABLE
from careline.settings import Settings, load_settings
from schemas.base import well_formed
from schemas.commands import Actor, ActorKind
from schemas.topics import CASES_COMMANDS, MENTIONS_RECEIVED, MENTIONS_TRIAGED, TOPICS

_CLIENT: Final = "careline-cli"
_AT_ONCE: Final = 10_000
_LONGEST: Final = 200
_THEN: Final = {
    MENTIONS_RECEIVED.name: "what was heard there is lost, unless its words could be made out: "
    "careline dead-letters list --reason skipped, then show and redrive; or look at the network",
    MENTIONS_TRIAGED.name: "nothing is lost: what was heard is triaged again",
    CASES_COMMANDS.name: "what people asked for there is lost: they must ask again",
}


def skip(  # noqa: PLR0913, PLR0917 - options
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="Such as mentions.received.v1.")],
    partition: Annotated[int, typer.Argument(metavar="PARTITION", min=0)],
    first: Annotated[int, typer.Option("--from", min=0, help="The first damaged offset.")],
    last: Annotated[int, typer.Option("--to", min=0, help="The last one.")],
    because: Annotated[str, typer.Option("--reason", help="Why, for whoever asks later.")],
    name: As,
    as_json: output.Json = False,
) -> None:
    """Go on behind records that are damaged on the broker and that no replica serves any more.

    Each becomes a dead letter that says who skipped it and why, and is counted in an operations
    case. What can be read is never skipped.

    Example: careline topics skip mentions.received.v1 3 --from 17 --to 19 --as ana --reason "disk"
    """
    settings = load_settings()
    why = _reason(because)
    offsets = _range(settings, topic, partition, first, last)
    by = actor_of(load_config(settings.config), name).model_copy(
        update={"kind": ActorKind.OPERATOR}
    )
    done = asyncio.run(_skipped(settings, topic, partition, offsets, by=by, because=why))
    if as_json:
        output.say_json(
            {
                "topic": topic,
                "partition": partition,
                "from": first,
                "to": last,
                "skipped": done,
                "by": by.name or by.id,
                "because": why,
            }
        )
        return
    before = len(offsets) - done
    output.say(
        f"✓ {topic}[{partition}]: {first} to {last} skipped"
        + (f", {before} of {len(offsets)} before now" if before else "")
    )
    output.tell(f"the worker goes on behind them by itself; {_THEN[topic]}")


def _reason(given: str) -> str:
    reason = " ".join(well_formed(given).split())
    if not reason or not reason.isprintable() or len(reason) > _LONGEST:
        raise ConfigurationError(
            f"--reason is to be one line of 1 to {_LONGEST} characters",
            hint='such as --reason "the disk of broker 2 is gone, there was no replica"',
        )
    return reason


def _range(settings: Settings, topic: str, partition: int, first: int, last: int) -> range:
    if topic not in SKIPPABLE:
        known = any(topic == each.name for each in TOPICS)
        raise ConfigurationError(
            f"{topic} cannot be skipped: cases are made from it" if known else f"no topic {topic}",
            hint=f"it can be one of: {', '.join(SKIPPABLE)}",
        )
    if partition >= settings.kafka.partitions:
        raise ConfigurationError(
            f"there is no partition {partition}", hint=f"0 to {settings.kafka.partitions - 1}"
        )
    if not first <= last < first + _AT_ONCE:
        raise ConfigurationError(
            f"--from {first} --to {last} is no range of 1 to {_AT_ONCE} offsets",
            hint="--from and --to are the first and the last offset",
        )
    return range(first, last + 1)


async def _skipped(
    settings: Settings, topic: str, partition: int, offsets: range, *, by: Actor, because: str
) -> int:
    """Skip what is not skipped yet; return how many offsets those were."""
    await topics_admin.require_topics(wiring.topics_on_broker(settings))
    reader = LogReader(settings.kafka.brokers, client_id=_CLIENT)
    await reader.start()
    try:
        before = await reader.skips.known(topic, partition)
    finally:
        await reader.stop()
    left = [one for one in offsets if one not in before]
    if not left:
        return 0
    found = await damaged_values(settings.kafka.brokers, topic, partition, left, client_id=_CLIENT)
    producer = Producer(settings.kafka.brokers, client_id=_CLIENT)
    await producer.start()
    try:
        spool = wiring.spool(settings)
        quarantine = Quarantine(producer, settings.kafka.partitions, spool=spool)
        for offset in left:
            await quarantine.skip(
                topic=topic,
                partition=partition,
                offset=offset,
                value=found[offset],
                by=by,
                because=because,
            )
    finally:
        await producer.stop()
    return len(left)
