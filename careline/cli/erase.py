"""`careline erase`: an author's words and names leave the ledger and every card, for good."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Final

import typer

from careline.cli import output
from careline.cli.ledger import ledger_of
from careline.ledger import erase as erasing
from careline.ledger.erase import Author, Swept
from careline.runtime import topics_admin
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import Producer
from careline.settings import Settings, load_settings
from careline.wiring import topics_on_broker
from schemas.topics import CASES_COMMANDS, DEAD_LETTERS, MENTIONS_RECEIVED, MENTIONS_TRIAGED

_WAIT_S: Final = 30.0
REMAINS: Final = (
    f"{MENTIONS_RECEIVED.name}: what was heard, {MENTIONS_RECEIVED.retention.days} days",
    f"{MENTIONS_TRIAGED.name}: the same; nothing reads it back into the ledger",
    f"{CASES_COMMANDS.name}: replies to the author, {CASES_COMMANDS.retention.days} days",
    f"{DEAD_LETTERS.name}: what could not be read, {DEAD_LETTERS.retention.days} days",
    "cases.events.v1 and the ledger: ids and times, no words and no names",
    "Slack: alerts that were posted already; delete those there",
    "the network itself",
)
"""What is left, and for how long."""


def erase(
    author: Annotated[
        str, typer.Option("--author", metavar="NETWORK:ID", help="Who: by id, never by handle.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be erased; change nothing.")
    ] = False,
    as_json: output.Json = False,
) -> None:
    """Forget an author: their words and names leave the ledger and the cards, for good.

    Their cases stay, with ids and deadlines: nobody's query is dropped.

    Example: careline erase --author x:2244994945 --dry-run
    """
    who = _author(author)
    settings = load_settings()
    if dry_run:
        found = asyncio.run(_held(settings, who))
        if as_json:
            output.say_json({"dry_run": True, **found})
        else:
            output.say(f"would erase {found['mentions']} mentions of {found['cases']} cases")
        return
    swept, late = asyncio.run(_erase(settings, who))
    if as_json:
        output.say_json({**asdict(swept), "not_taken_in": late, "remains": REMAINS})
    else:
        output.say(f"✓ {swept.mentions} mentions made bare, {swept.replies} reply texts dropped")
        output.say(f"✓ {swept.cards} cards will be shown anew, without words")
        for line in REMAINS:
            output.say(f"  remains: {line}")
        if late:
            output.say(f"✗ shards {late} have not taken it in: is a worker running? Then run again")
    raise typer.Exit(output.NO if late else output.OK)


def _author(given: str) -> Author:
    network, _, number = given.partition(":")
    if not network or not number:
        raise ConfigurationError(
            f"--author {given}: no NETWORK:ID", hint="for example --author x:2244994945"
        )
    return Author(network, number)


async def _held(settings: Settings, author: Author) -> dict[str, int]:
    mentions = cases = 0
    async with ledger_of(settings) as ledger:
        for shard in range(ledger.partitions):
            found = await erasing.held(ledger, shard, author)
            mentions += len(found.mentions)
            cases += len(found.cases)
    return {"mentions": mentions, "cases": cases}


async def _erase(settings: Settings, author: Author) -> tuple[Swept, list[int]]:
    await topics_admin.require_topics(topics_on_broker(settings))
    producer = Producer(settings.kafka.brokers, client_id="careline-erase")
    async with ledger_of(settings) as ledger:
        await producer.start()
        try:
            sent = await erasing.announce(producer, author, partitions=ledger.partitions)
        finally:
            await producer.stop()
        late = await erasing.not_taken_in(ledger, sent, within=_WAIT_S)
        total = Swept()
        for shard in range(ledger.partitions):
            swept = await erasing.sweep(ledger, shard, author)
            total.mentions += swept.mentions
            total.replies += swept.replies
            total.cards += swept.cards
    return total, late
