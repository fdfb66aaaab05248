"""`careline case`: the cases as the ledger has them, for a person at a shell.

What changes them stands in `careline.cli.acting` and `careline.cli.correcting`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from heapq import nsmallest
from typing import Annotated, Any

import typer

from careline.cli import acting, correcting, output
from careline.cli.ledger import ledger_of
from careline.domain.case import Case, CaseStatus
from careline.domain.codec import dump_case
from careline.domain.steps import next_due
from careline.runtime.errors import ConfigurationError
from careline.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="Look at cases, and act on them without Slack.")
for verb in (*acting.VERBS, correcting.correct):
    app.command(verb.__name__)(verb)


@app.command("list")
def list_cases(
    every: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    status: Annotated[CaseStatus | None, typer.Option(help="Only those that stand there.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: output.Json = False,
) -> None:
    """List live cases, the one that is due first on top. Shows no customer's words.

    Example: careline case list --status claimed
    """

    def wanted(case: Case) -> bool:
        return case.status is status or (status is None and (every or case.is_live))

    first, count = asyncio.run(_first(load_settings(), wanted, limit))
    if as_json:
        output.say_json([_short(case) for case in first])
        return
    rows: list[tuple[str, ...]] = [
        ("CASE", "STATUS", "PRIORITY", "HOLDER", "OPEN", "NEXT STEP DUE")
    ]
    rows += [_row(case) for case in first]
    for line in output.table(rows):
        output.say(line)
    if count > len(first):
        output.tell(f"{count - len(first)} more: --limit")


@app.command()
def show(
    case_id: Annotated[str, typer.Argument(help="Such as s07-3fa9c1d2e4b57788-1.")],
    as_json: output.Json = False,
) -> None:
    """Show all that the ledger knows of a case. Shows no customer's words.

    Example: careline case show s07-3fa9c1d2e4b57788-1 --json
    """
    case = asyncio.run(_case(load_settings(), case_id))
    if case is None:
        raise ConfigurationError(
            f"there is no case {case_id}", hint="see: careline case list --all"
        )
    whole: dict[str, Any] = json.loads(dump_case(case))
    if as_json:
        output.say_json(whole)
        return
    for line in output.table([(name, _plain(value)) for name, value in whole.items()]):
        output.say(line)


async def _first(
    settings: Settings, wanted: Callable[[Case], bool], limit: int
) -> tuple[list[Case], int]:
    """Return the first of the cases that are wanted, and how many there are in all.

    However many there are, no more than twice ``limit`` of them are held.
    """
    first: list[Case] = []
    count = 0
    async with ledger_of(settings) as ledger:
        for shard in range(settings.kafka.partitions):
            async for case in ledger.cases(shard):
                if not wanted(case):
                    continue
                count += 1
                first.append(case)
                if len(first) >= 2 * limit:
                    first = nsmallest(limit, first, key=_order)
    return nsmallest(limit, first, key=_order), count


async def _case(settings: Settings, case_id: str) -> Case | None:
    async with ledger_of(settings) as ledger:
        return await ledger.read_case(case_id)


def _order(case: Case) -> tuple[bool, datetime, str]:
    due = next_due(case)
    return (due is None, due or case.last_event_at, case.case_id)


def _priority(case: Case) -> str:
    found = case.open_obligations or case.obligations
    return min((each.priority.value for each in found), default="-")


def _short(case: Case) -> dict[str, Any]:
    return {
        "case": case.case_id,
        "status": case.status,
        "queue": case.queue,
        "priority": _priority(case),
        "holder": case.claim.holder.name or case.claim.holder.id if case.claim else None,
        "open_queries": len(case.open_obligations),
        "next_step_due": next_due(case),
        "opened_at": case.opened_at,
        "version": case.version,
    }


def _row(case: Case) -> tuple[str, ...]:
    short = _short(case)
    due = next_due(case)
    return (
        case.case_id,
        case.status.value,
        short["priority"],
        short["holder"] or "-",
        str(short["open_queries"]),
        due.isoformat(timespec="seconds") if due else "-",
    )


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
