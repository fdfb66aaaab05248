"""`careline ledger`: proof that nothing is lost, and the ledger made anew from the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from careline import wiring
from careline.cli import output, rebuilding
from careline.cli.spans import span_of
from careline.ledger.audit import Balance, audit
from careline.ledger.store import Ledger
from careline.runtime import topics_admin
from careline.runtime.clock import SystemClock
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import LogReader
from careline.runtime.redis import assert_durable, connect
from careline.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="Where cases live: prove it, or make it anew.")


@app.command("audit")
def audit_command(
    since: Annotated[
        str, typer.Option(help="Only what was heard in this time: 24h, 90m, 7d. Empty: all.")
    ] = "",
    as_json: output.Json = False,
) -> None:
    """Count topics and ledger against each other; exit 1 if a query is anywhere between them.

    Reads everything, changes nothing: on a large installation it takes minutes.

    Example: careline ledger audit --since 24h --json
    """
    balance = asyncio.run(_audit(load_settings(), span_of(since, "--since")))
    if as_json:
        output.say_json(asdict(balance))
    else:
        for line in balance_lines(balance):
            output.say(line)
    raise typer.Exit(output.OK if balance.closes else output.NO)


@app.command()
def rebuild(
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Change nothing: rebuild beside the ledger and compare."),
    ] = False,
    shard: Annotated[
        int | None, typer.Option("--shard", min=0, help="This shard alone; else all of them.")
    ] = None,
    scratch: Annotated[
        str,
        typer.Option(
            "--scratch", help="With --verify: an empty Redis to rebuild into; else an own one."
        ),
    ] = "",
    as_json: output.Json = False,
) -> None:
    """Make shards anew from Kafka, from nothing. Running workers wait until a shard is whole.

    With --verify nothing is changed: it prints what ledger and log differ in, and exits 1 if they
    do.

    Example: careline ledger rebuild --verify
    """
    if scratch and not verify:
        raise ConfigurationError(
            "--scratch is for --verify alone", hint="add --verify, or leave --scratch out"
        )
    settings = load_settings()
    chosen = rebuilding.chosen(shard, settings.kafka.partitions)
    if not verify:
        seconds = asyncio.run(rebuilding.rebuild_all(settings, chosen, tell=output.tell))
        if as_json:
            output.say_json({"shards": chosen, "seconds": round(seconds, 3)})
        else:
            output.say(f"✓ {len(chosen)} shards rebuilt in {seconds:.1f} s")
        return
    found = asyncio.run(rebuilding.verify_all(settings, chosen, scratch=scratch, tell=output.tell))
    total = sum(len(lines) for lines in found.values())
    if as_json:
        output.say_json({"differences": {f"{number:02d}": found[number] for number in chosen}})
    else:
        for number in chosen:
            output.say(f"shard {number:02d}: {len(found[number])} differences")
            for line in found[number]:
                output.say(f"  ✗ {line}")
    raise typer.Exit(output.NO if total else output.OK)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Ledger, LogReader]]:
    """Open the ledger and the log. Raises ConfigurationError if one does not answer."""
    await topics_admin.require_topics(wiring.topics_on_broker(settings))
    async with ledger_of(settings) as ledger:
        reader = LogReader(settings.kafka.brokers, client_id="careline-cli")
        await reader.start()
        try:
            yield ledger, reader
        finally:
            await reader.stop()


@asynccontextmanager
async def ledger_of(settings: Settings) -> AsyncIterator[Ledger]:
    """Open the ledger alone. Raises ConfigurationError if it does not answer."""
    client = connect(settings.redis.url.get_secret_value())
    try:
        # Reading needs no promise of durability, only an answer.
        await assert_durable(client, dev=True)
        yield Ledger(client, partitions=settings.kafka.partitions)
    finally:
        await client.aclose()


def balance_lines(balance: Balance) -> list[str]:
    """Say a balance in lines, its problems last."""
    rows: list[tuple[str, str]] = []
    for name, value in asdict(balance).items():
        if isinstance(value, int):
            rows.append((name, str(value)))
        elif isinstance(value, dict):
            rows += [(f"  {part}", str(count)) for part, count in value.items()]
    lines = output.table(rows)
    lines += [f"✗ {problem}" for problem in balance.problems]
    return lines or ["nothing was heard yet"]


async def _audit(settings: Settings, span: timedelta | None) -> Balance:
    since = None if span is None else SystemClock().now() - span
    async with opened(settings) as (ledger, reader):
        return await audit(ledger, reader, partitions=settings.kafka.partitions, since=since)
