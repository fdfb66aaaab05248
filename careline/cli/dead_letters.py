"""`careline dead-letters`: what nothing could read, for the person who mends the cause.

Promise: looking changes nothing and shows no word of a direct message unless `--raw` says so;
putting a letter back says what it did, and does not do it twice unless `--again` says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from careline import wiring
from careline.cli import output
from careline.ledger.letters import (
    Letter,
    LetterFacts,
    Letters,
    Redriven,
    hexdump,
    is_public,
    redrive,
)
from careline.runtime import topics_admin
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import LogReader, Producer
from careline.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="What nothing could read: look at it, put it back.")

LetterArgument = Annotated[str, typer.Argument(metavar="LETTER", help="Its id, such as 3:17.")]


@app.command("list")
def list_letters(
    reason: Annotated[str, typer.Option(help="Only those with this reason.")] = "",
    topic: Annotated[str, typer.Option(help="Only those that came from there.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the latest.")] = 50,
    as_json: output.Json = False,
) -> None:
    """List dead letters, the latest last. Shows no customer's words.

    Example: careline dead-letters list --reason not_json
    """
    every = asyncio.run(_all(load_settings()))
    chosen = [one for one in every if reason in {"", one.reason} and topic in {"", one.topic}]
    if as_json:
        output.say_json([_short(one) for one in chosen[-limit:]])
        return
    rows: list[tuple[str, ...]] = [
        ("LETTER", "SET ASIDE", "FROM", "POSITION", "BYTES", "REDRIVEN", "REASON")
    ]
    rows += [_row(one) for one in chosen[-limit:]]
    for line in output.table(rows):
        output.say(line)
    if len(chosen) > limit:
        output.tell(f"{len(chosen) - limit} earlier ones: --limit")


@app.command()
def show(
    letter_id: LetterArgument,
    raw: Annotated[
        bool, typer.Option("--raw", help="All bytes, though they may be a direct message.")
    ] = False,
    as_json: output.Json = False,
) -> None:
    """Show one letter in hex and as text. What may be private shows its shape and no word.

    Example: careline dead-letters show 3:17
    """
    letter = asyncio.run(_one(load_settings(), letter_id))
    masked = not raw and not is_public(letter)
    lines = hexdump(letter.value, masked=masked)
    if as_json:
        output.say_json(_short(letter) | {"masked": masked, "dump": lines})
        return
    for line in output.table(
        [(name, _plain(str(value))) for name, value in _short(letter).items()]
    ):
        output.say(line)
    output.say()
    for line in lines:
        output.say(line)
    if masked:
        output.tell("it may be a direct message: letters and digits are hidden; all of it: --raw")


@app.command("redrive")
def redrive_letter(
    letter_id: LetterArgument,
    again: Annotated[
        bool, typer.Option("--again", help="Although it was put back before.")
    ] = False,
    as_json: output.Json = False,
) -> None:
    """Put a letter back where it came from: its own bytes, in its own partition.

    Mend the cause first; what still cannot be read comes back as a dead letter.

    Example: careline dead-letters redrive 3:17
    """
    settings = load_settings()
    letter, done = asyncio.run(_redriven(settings, letter_id, again=again))
    if done is None:
        says = f"it was put back before: {letter.redriven[-1]}"
        if as_json:
            output.say_json({"letter": letter.id, "redriven": False, "says": says})
        else:
            output.say(f"✗ letter {letter.id}: {says}")
            output.tell("once more is harmless, but seldom helps: --again")
        raise typer.Exit(output.NO)
    says = f"put back into {done.topic}[{done.partition}] at offset {done.offset}"
    if as_json:
        document: dict[str, Any] = {
            "letter": letter.id,
            "redriven": True,
            "topic": done.topic,
            "partition": done.partition,
            "offset": done.offset,
            "readable": done.readable,
        }
        output.say_json(document)
        return
    output.say(f"✓ letter {letter.id}: {letter.size} bytes {says}")
    if not done.readable:
        output.tell("this version cannot read it either: it will come back as a dead letter")


@asynccontextmanager
async def _letters(settings: Settings) -> AsyncIterator[Letters]:
    await topics_admin.require_topics(wiring.topics_on_broker(settings))
    reader = LogReader(settings.kafka.brokers, client_id="careline-cli")
    await reader.start()
    try:
        yield Letters(reader, partitions=settings.kafka.partitions)
    finally:
        await reader.stop()


async def _all(settings: Settings) -> list[LetterFacts]:
    async with _letters(settings) as letters:
        return await letters.all()


async def _one(settings: Settings, letter_id: str) -> Letter:
    async with _letters(settings) as letters:
        found = await letters.one(letter_id)
    if found is None:
        raise ConfigurationError(
            f"there is no dead letter {letter_id}", hint="see: careline dead-letters list"
        )
    return found


async def _redriven(
    settings: Settings, letter_id: str, *, again: bool
) -> tuple[Letter, Redriven | None]:
    letter = await _one(settings, letter_id)
    if letter.redriven and not again:
        return letter, None
    producer = Producer(settings.kafka.brokers, client_id="careline-cli")
    await producer.start()
    try:
        done = await redrive(letter, producer, partitions=settings.kafka.partitions)
    finally:
        await producer.stop()
    return letter, done


def _short(letter: LetterFacts) -> dict[str, Any]:
    return {
        "letter": letter.id,
        "at": letter.at.isoformat(timespec="seconds"),
        "topic": letter.topic,
        "position": letter.position,
        "reason": letter.reason,
        "handler": letter.handler,
        "bytes": letter.size,
        "spool": letter.spool,
        "by": letter.by,
        "because": letter.because,
        "redriven": letter.redriven,
    }


def _row(letter: LetterFacts) -> tuple[str, ...]:
    return (
        letter.id,
        f"{letter.at:%F %T}",
        _plain(letter.topic),
        _plain(letter.position),
        "spooled" if letter.spool else str(letter.size),
        str(len(letter.redriven)) if letter.redriven else "-",
        _plain(letter.reason),
    )


def _plain(text: str) -> str:
    """Return a text without anything that a terminal would act on."""
    return "".join(one if one.isprintable() else "?" for one in text)
