"""`careline triage label`: mentions out to people who label them, and their labels back.

Promise: the words of direct messages leave the ledger only if an option says so, into a file that
only its owner can read; what comes back is checked whole before anything is asked for, and becomes
corrections like those from a card. A file that is imported twice changes nothing the second time.
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import heapq
import os
import random
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from careline.cli import output
from careline.cli.acting import As, actor_of
from careline.cli.correcting import Said, correction
from careline.cli.finding import Found, find
from careline.cli.ledger import ledger_of, opened
from careline.cli.reviewing import mentions_of, row_of
from careline.cli.spans import span_of
from careline.config import load_config
from careline.ledger.store import Ledger
from careline.runtime.clock import SystemClock
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import Producer
from careline.settings import Settings, load_settings
from careline.triage.quality import labels
from careline.triage.quality.labels import Labelled
from schemas.commands import Actor
from schemas.identity import shard_of_case
from schemas.packing import pack_command
from schemas.topics import CASES_COMMANDS
from schemas.triage import MentionTriaged

app = typer.Typer(no_args_is_help=True, help="Export mentions to label, import the labels.")

_OWNER_ONLY: Final = 0o600
_POLL_S: Final = 0.1
_SOURCE: Final = "careline/shell"


class Pick(enum.StrEnum):
    """Which mentions are worth a person's time."""

    UNSURE = "unsure"
    """Those of which triage is least sure."""
    RANDOM = "random"
    """Any: figures measured on these are fair."""


@dataclass(slots=True)
class _Imported:
    """What became of the labels."""

    sent: int = 0
    done: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    pending: int = 0


@app.command("export")
def export(  # noqa: PLR0917 - options
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .jsonl or .csv.")],
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 200,
    since: Annotated[str, typer.Option(help="Only what was heard in this time: 7d.")] = "",
    pick: Annotated[Pick, typer.Option(help="The least sure, or any.")] = Pick.UNSURE,
    direct: Annotated[
        bool, typer.Option("--direct-messages", help="With the words of direct messages.")
    ] = False,
    as_json: output.Json = False,
) -> None:
    """Write mentions to a file for labelling: fill in query, sentiment, urgency.

    Example: careline triage label export to-label.csv --limit 100
    """
    span = span_of(since, "--since")
    after = None if span is None else SystemClock().now() - span
    rows = asyncio.run(_rows(load_settings(), limit, after, pick, direct=direct))
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as opened_file:
            # A file that was there before keeps its mode when it is opened.
            os.fchmod(handle, _OWNER_ONLY)
            opened_file.write(labels.written(rows, file))
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be written ({error.strerror})", hint="name another file"
        ) from error
    if as_json:
        output.say_json({"file": str(file), "rows": len(rows), "direct_messages": direct})
    else:
        output.say(f"✓ {len(rows)} mentions in {file}: fill in query (yes, no), sentiment, urgency")


@app.command("import")
def import_labels(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A labelled export.")],
    name: As,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the file is right.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for the answers.")] = 30.0,
    as_json: output.Json = False,
) -> None:
    """Read labels back: each becomes a correction, which opens or closes its query too.

    Example: careline triage label import labelled.csv --as ana
    """
    rows = [row for row in labels.read(file) if row.is_labelled]
    if not rows:
        raise ConfigurationError(
            f"{file}: no line is labelled", hint="fill in the column query: yes or no"
        )
    if check:
        if as_json:
            output.say_json({"file": str(file), "labelled": len(rows), "ok": True})
        else:
            output.say(f"✓ {file}: {len(rows)} labelled mentions")
        return
    found = asyncio.run(_import(load_settings(), rows, name, wait))
    document: dict[str, Any] = {
        "labelled": len(rows),
        "corrections": found.sent,
        "done": found.done,
        "refused": found.refused,
        "gone": found.gone,
        "pending": found.pending,
    }
    if as_json:
        output.say_json(document)
    else:
        output.say(f"✓ {found.done} of {found.sent} corrections are done")
        for mention_id, why in found.refused.items():
            output.say(f"✗ {mention_id}: {why.replace('_', ' ')}")
        for mention_id in found.gone:
            output.say(f"✗ {mention_id}: it is no longer kept")
        if found.pending:
            output.say(f"… {found.pending} are stored and not decided yet")
    bad = found.refused or found.gone or found.pending
    raise typer.Exit(output.NO if bad else output.OK)


async def _rows(
    settings: Settings, limit: int, since: datetime | None, pick: Pick, *, direct: bool
) -> list[Labelled]:
    """Return the rows of an export, the latest last."""
    kept: list[tuple[float, int, int, MentionTriaged]] = []
    number = 0
    async with ledger_of(settings) as ledger:
        async for shard, triaged in mentions_of(ledger, direct=direct):
            if since is not None and triaged.heard.heard_at < since:
                continue
            number += 1
            item = (_worth(triaged, pick), number, shard, triaged)
            if len(kept) < limit:
                heapq.heappush(kept, item)
            else:
                heapq.heappushpop(kept, item)
        kept.sort(key=lambda item: item[3].heard.heard_at)
        rows = [await row_of(ledger, shard, triaged) for _, _, shard, triaged in kept]
    return [row for row in rows if row is not None]


def _worth(triaged: MentionTriaged, pick: Pick) -> float:
    """Return how much a person's look is worth; the most are kept."""
    if pick is Pick.RANDOM or triaged.triage is None:
        return random.random()  # noqa: S311 - a sample, no secret
    return (1.0 if triaged.triage.unsure else 0.0) - triaged.triage.confidence


async def _import(settings: Settings, rows: list[Labelled], name: str, wait: float) -> _Imported:
    actor = actor_of(load_config(settings.config), name)
    done = _Imported()
    async with opened(settings) as (ledger, _):
        producer = Producer(settings.kafka.brokers, client_id="careline-cli")
        await producer.start()
        try:
            asked = await _ask(ledger, producer, rows, actor, done)
        finally:
            await producer.stop()
        await _answers(ledger, asked, done, wait)
    return done


async def _ask(
    ledger: Ledger, producer: Producer, rows: list[Labelled], actor: Actor, done: _Imported
) -> dict[str, tuple[int, str]]:
    """Send a correction for each label; return the shard and mention of each, by command."""
    asked: dict[str, tuple[int, str]] = {}
    for row in rows:
        shard = shard_of_case(row.case_id)
        known = shard if shard is not None and shard < ledger.partitions else None
        found = await find(ledger, row.mention_id, shard=known)
        if found is None:
            done.gone.append(row.mention_id)
            continue
        said = Said(query=bool(row.query), sentiment=row.sentiment, urgency=row.urgency)
        if _says_nothing_new(found, said):
            continue
        command = correction(found, said, actor=actor, key=_key(said))
        home = shard_of_case(command.case_id) or 0
        packed = pack_command(command, source=_SOURCE)
        asked[command.command_id] = (home, row.mention_id)
        if await ledger.result_of(command.command_id, home) is None:
            await producer.send(CASES_COMMANDS.name, home, packed)
    done.sent = len(asked)
    return asked


async def _answers(
    ledger: Ledger, asked: dict[str, tuple[int, str]], done: _Imported, wait: float
) -> None:
    """Wait until each is decided, as long as was asked for."""
    clock = SystemClock()
    end = clock.monotonic() + wait
    waiting = dict(asked)
    while waiting:
        for command, (shard, mention_id) in list(waiting.items()):
            result = await ledger.result_of(command, shard)
            if result is None:
                continue
            del waiting[command]
            if result.startswith("refused:"):
                done.refused[mention_id] = result.removeprefix("refused:")
            else:
                done.done += 1
        if not waiting or clock.monotonic() >= end:
            break
        await clock.sleep(_POLL_S)
    done.pending = len(waiting)


def _says_nothing_new(found: Found, said: Said) -> bool:
    """Tell whether nobody has to hear of it: no query, and triage knows that already."""
    triage = found.triaged.triage
    known = found.case.obligation(found.mention_id) if found.case is not None else None
    return not said.query and known is None and triage is not None and not triage.query


def _key(said: Said) -> str:
    return hashlib.sha256("\x1f".join(("label", *said.words)).encode()).hexdigest()[:16]
