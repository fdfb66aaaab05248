"""`careline case correct`: say what a message really is, as the form behind a card's button does.

Promise: the same command as from Slack. It opens the obligation of a query that triage missed, also
where no case was opened at all, and closes that of what is none; what was answered stays answered.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

import typer

from careline.cli import output
from careline.cli.acting import As, Key, Wait, actor_of
from careline.cli.finding import Found, find
from careline.cli.ledger import opened
from careline.config import load_config
from careline.domain.case import Case
from careline.ledger.answers import Answer, Asker, command_id
from careline.ledger.store import Ledger
from careline.runtime.clock import SystemClock
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import Producer
from careline.settings import load_settings
from schemas.commands import CorrectTriage
from schemas.identity import shard_of_case
from schemas.triage import Sentiment, Urgency

_SOURCE: Final = "careline/shell"
_VALID: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody says that a message is."""

    query: bool
    sentiment: Sentiment | None = None
    urgency: Urgency | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """Return it for the key of a command: the same saying is the same command."""
        return (str(self.query), str(self.sentiment or ""), str(self.urgency or ""))


def correct(  # noqa: PLR0913, PLR0917 - options
    which: Annotated[
        str,
        typer.Argument(
            metavar="CASE|MENTION", help="Such as s07-3fa9c1d2e4b57788-1, or x:acme:1234567890."
        ),
    ],
    name: As,
    query: Annotated[
        bool, typer.Option("--query/--not-query", help="Whether somebody expects an answer.")
    ] = True,
    sentiment: Annotated[Sentiment | None, typer.Option(help="How the author feels.")] = None,
    urgency: Annotated[Urgency | None, typer.Option(help="How soon harm comes of waiting.")] = None,
    mention: Annotated[
        str, typer.Option(help="Which message of the case, where it has several.")
    ] = "",
    key: Key = "",
    wait: Wait = 15.0,
    as_json: output.Json = False,
) -> None:
    """Say what a message really is: opens or closes its query, and teaches triage.

    Example: careline case correct s07-3fa9c1d2e4b57788-1 --as ana --not-query
    """
    said = Said(query=query, sentiment=sentiment, urgency=urgency)
    code, document, line = asyncio.run(_asked(which, mention, name, said, key=key, wait=wait))
    if as_json:
        output.say_json(document)
    else:
        output.say(line)
    raise typer.Exit(code)


def correction(found: Found, said: Said, *, actor: Any, key: str) -> CorrectTriage:
    """Return the command of a saying; the same key is the same command."""
    now = SystemClock().now()
    return CorrectTriage(
        command_id=command_id("correct", found.case_id, found.mention_id, actor.id, key),
        case_id=found.case_id,
        issued_at=now,
        not_after=now + _VALID,
        actor=actor,
        seen_version=found.case.version if found.case is not None else None,
        mention_id=found.mention_id,
        query=said.query,
        sentiment=said.sentiment,
        urgency=said.urgency if said.query else None,
    )


async def _asked(
    which: str, mention: str, name: str, said: Said, *, key: str, wait: float
) -> tuple[int, dict[str, Any], str]:
    settings = load_settings()
    actor = actor_of(load_config(settings.config), name)
    async with opened(settings) as (ledger, reader):
        found = await _found(ledger, which, mention)
        producer = Producer(settings.kafka.brokers, client_id="careline-cli")
        await producer.start()
        try:
            chosen = key or SystemClock().now().isoformat()
            command = correction(found, said, actor=actor, key=chosen)
            asker = Asker(ledger, producer, reader, source=_SOURCE)
            answer = await asker.ask(command, within=wait)
        finally:
            await producer.stop()
        case_id = answer.events[-1].case_id if answer.events else found.case_id
        case = await ledger.read_case(case_id)
    return _told(found, case_id, case, answer, key=chosen)


async def _found(ledger: Ledger, which: str, mention: str) -> Found:
    """Return the message that is meant. Raises ConfigurationError."""
    shard = shard_of_case(which)
    if shard is None:
        found = await find(ledger, which)
        if found is None:
            raise ConfigurationError(
                f"{which} is neither a case nor a message that is still kept",
                hint="see: careline case list --all",
            )
        return found
    case = await ledger.read_case(which)
    if case is None:
        raise ConfigurationError(f"there is no case {which}", hint="see: careline case list --all")
    chosen = mention or _only(case)
    found = await find(ledger, chosen, shard=shard)
    if found is None:
        raise ConfigurationError(
            f"{which} has no message {chosen}", hint=f"see: careline case show {which}"
        )
    return found


def _only(case: Case) -> str:
    """Return the one message that can be meant. Raises ConfigurationError: there are several."""
    candidates = case.open_obligations or case.obligations
    if len(candidates) == 1:
        return candidates[0].mention_id
    names = ", ".join([each.mention_id for each in candidates][:5]) or "none"
    raise ConfigurationError(
        f"{case.case_id} has {len(candidates)} queries", hint=f"name one with --mention: {names}"
    )


def _told(
    found: Found, case_id: str, case: Case | None, answer: Answer, *, key: str
) -> tuple[int, dict[str, Any], str]:
    reason = ""
    if answer.refusal is not None:
        reason = answer.refusal.reason.value
    elif answer.earlier.startswith("refused:"):
        reason = answer.earlier.removeprefix("refused:")
    if reason:
        result, says = "refused", reason.replace("_", " ")
    elif answer.events:
        result = "done"
        says = ", then ".join(
            each.type.replace(".", " ").replace("_", " ") for each in answer.events
        )
    elif answer.earlier:
        result, says = "done", "it was done already, under this key"
    else:
        result = "pending"
        says = f"it is stored and not decided yet; ask again with --key {key}"
    status = case.status.value if case is not None else None
    document = {
        "mention": found.mention_id,
        "case": case_id,
        "key": key,
        "result": result,
        "reason": reason,
        "says": says,
        "status": status,
        "version": case.version if case is not None else None,
    }
    sign = {"done": "✓", "refused": "✗"}.get(result, "…")
    line = f"{sign} correct {found.mention_id}: {says} ({case_id}: {status or 'no case'})"
    return (output.OK if result == "done" else output.NO), document, line
