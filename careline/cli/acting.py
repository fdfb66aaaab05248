"""`careline case claim|reply|resolve|escalate|snooze`: what a click does, for a person at a shell.

Promise: the same commands as from Slack, under the same rules and names: the first claim wins, and
the loser is told who holds the case. It says what became of the command or that nobody knows yet;
with the same `--key` it is done once, however often it is asked for.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import typer

from careline.cli import output
from careline.cli.ledger import opened
from careline.cli.spans import span_of
from careline.config import CarelineConfig, load_config
from careline.domain.case import Case
from careline.ledger.answers import Answer, Asker, command_id
from careline.runtime.clock import SystemClock
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import Producer
from careline.settings import load_settings
from schemas import commands as c
from schemas.base import well_formed
from schemas.events import CommandRefused

_SOURCE: Final = "careline/shell"
_VALID: Final = timedelta(minutes=10)
_REPLY_VALID: Final = timedelta(hours=1)

CaseArgument = Annotated[str, typer.Argument(help="Such as s07-3fa9c1d2e4b57788-1.")]
As = Annotated[
    str,
    typer.Option("--as", help="Who acts: a name under people: in careline.yaml.", metavar="NAME"),
]
Key = Annotated[
    str, typer.Option(help="Asked again with the same key, it is done once.", metavar="KEY")
]
Seen = Annotated[
    int, typer.Option("--version", help="The version you saw: refuse if the case has moved on.")
]
Wait = Annotated[float, typer.Option(min=0.0, help="Seconds to wait for the answer.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    case: str
    name: str
    key: str
    seen: int
    wait: float
    as_json: bool
    verb: str

    @property
    def id(self) -> str:
        return command_id(self.verb, self.case, self.name, self.key)


Make = Callable[[Case, dict[str, Any]], c.Command]


def claim(  # noqa: PLR0917 - options
    case_id: CaseArgument,
    name: As,
    key: Key = "",
    seen: Seen = 0,
    wait: Wait = 15.0,
    as_json: output.Json = False,
) -> None:
    """Take a case. The first one wins; you are told who holds it.

    Example: careline case claim s07-3fa9c1d2e4b57788-1 --as ana
    """
    ask = _Ask(
        case=case_id, name=name, key=key, seen=seen, wait=wait, as_json=as_json, verb="claim"
    )
    _act(ask, lambda _, facts: c.ClaimCase(**facts))


def release(  # noqa: PLR0917 - options
    case_id: CaseArgument,
    name: As,
    key: Key = "",
    seen: Seen = 0,
    wait: Wait = 15.0,
    as_json: output.Json = False,
) -> None:
    """Give a case back to its queue.

    Example: careline case release s07-3fa9c1d2e4b57788-1 --as ana
    """
    ask = _Ask(
        case=case_id, name=name, key=key, seen=seen, wait=wait, as_json=as_json, verb="release"
    )
    _act(ask, lambda _, facts: c.ReleaseCase(**facts))


def reply(  # noqa: PLR0913, PLR0917 - options
    case_id: CaseArgument,
    name: As,
    text: Annotated[str, typer.Option(help="The reply; - reads it from standard input.")] = "-",
    expects_answer: Annotated[
        bool, typer.Option("--expects-answer", help="It is the author's turn then.")
    ] = False,
    key: Key = "",
    seen: Seen = 0,
    wait: Wait = 15.0,
    as_json: output.Json = False,
) -> None:
    """Send a reply to the author, on the network. It answers the queries that are open now.

    Give --version (see: careline case show) so that a word that came meanwhile is not covered.

    Example: careline case reply s07-3fa9c1d2e4b57788-1 --as ana --text "It is on its way."
    """
    words = well_formed(sys.stdin.read() if text == "-" else text).strip()
    if not words:
        raise ConfigurationError(
            "the reply has no words", hint='such as --text "It is on its way."'
        )

    def make(case: Case, facts: dict[str, Any]) -> c.Command:
        valid = facts | {"not_after": facts["issued_at"] + _REPLY_VALID}
        holds = case.claim is not None and case.claim.holder.id == facts["actor"].id
        fence = case.claim.fence if case.claim is not None and holds else None
        return c.ReplyToCase(
            **valid,
            text=words,
            covers=_open(case),
            expects_answer=expects_answer,
            fence=fence,
        )

    ask = _Ask(
        case=case_id, name=name, key=key, seen=seen, wait=wait, as_json=as_json, verb="reply"
    )
    _act(ask, make)


def resolve(  # noqa: PLR0913, PLR0917 - options
    case_id: CaseArgument,
    name: As,
    because: Annotated[c.Disposition, typer.Option(help="Why nothing more is to be said.")],
    key: Key = "",
    seen: Seen = 0,
    wait: Wait = 15.0,
    as_json: output.Json = False,
) -> None:
    """Close the queries that are open now, and the case with them, for a reason.

    Example: careline case resolve s07-3fa9c1d2e4b57788-1 --as ana --because handled_elsewhere
    """

    def make(case: Case, facts: dict[str, Any]) -> c.Command:
        return c.ResolveCase(**facts, disposition=because, covers=_open(case))

    ask = _Ask(
        case=case_id, name=name, key=key, seen=seen, wait=wait, as_json=as_json, verb="resolve"
    )
    _act(ask, make)


def escalate(  # noqa: PLR0917 - options
    case_id: CaseArgument,
    name: As,
    key: Key = "",
    seen: Seen = 0,
    wait: Wait = 15.0,
    as_json: output.Json = False,
) -> None:
    """Tell the next step of the ladder now.

    Example: careline case escalate s07-3fa9c1d2e4b57788-1 --as ana
    """
    ask = _Ask(
        case=case_id, name=name, key=key, seen=seen, wait=wait, as_json=as_json, verb="escalate"
    )
    _act(ask, lambda _, facts: c.EscalateCase(**facts))


def snooze(  # noqa: PLR0913, PLR0917 - options
    case_id: CaseArgument,
    name: As,
    span: Annotated[str, typer.Option("--for", help="How long: 15m, 3h. Deadlines run on.")] = "1h",
    key: Key = "",
    seen: Seen = 0,
    wait: Wait = 15.0,
    as_json: output.Json = False,
) -> None:
    """Hide a case for a while, or until its author writes. Its deadlines keep running.

    Example: careline case snooze s07-3fa9c1d2e4b57788-1 --as ana --for 1h
    """
    hidden = span_of(span, "--for") or timedelta(hours=1)
    ask = _Ask(
        case=case_id, name=name, key=key, seen=seen, wait=wait, as_json=as_json, verb="snooze"
    )
    _act(ask, lambda _, facts: c.SnoozeCase(**facts, until=facts["issued_at"] + hidden))


VERBS: Final = (claim, release, reply, resolve, escalate, snooze)


def actor_of(config: CarelineConfig, name: str) -> c.Actor:
    """Return a person as the actor that their clicks in Slack have. Raises ConfigurationError."""
    if not name.strip():
        raise ConfigurationError("--as is empty", hint="say who acts: --as ana")
    person = config.people.get(name)
    if person is not None:
        return c.Actor(kind=c.ActorKind.AGENT, id=f"slack:{person.slack}", name=name)
    if config.people:
        raise ConfigurationError(
            f"nobody is called {name!r}", hint=f"people: {', '.join(sorted(config.people))}"
        )
    return c.Actor(kind=c.ActorKind.AGENT, id=f"shell:{name}", name=name)


def _open(case: Case) -> tuple[str, ...]:
    return tuple(found.mention_id for found in case.open_obligations)


def _act(ask: _Ask, make: Make) -> None:
    code, document, line = asyncio.run(_asked(ask, make))
    if ask.as_json:
        output.say_json(document)
    else:
        output.say(line)
    raise typer.Exit(code)


async def _asked(ask: _Ask, make: Make) -> tuple[int, dict[str, Any], str]:
    settings = load_settings()
    actor = actor_of(load_config(settings.config), ask.name)
    chosen = ask if ask.key else replace(ask, key=uuid.uuid4().hex[:12])
    async with opened(settings) as (ledger, reader):
        case = await ledger.read_case(ask.case)
        if case is None:
            raise ConfigurationError(
                f"there is no case {ask.case}", hint="see: careline case list --all"
            )
        if ask.seen and case.version != ask.seen:
            says = f"it is at version {case.version}, you saw {ask.seen}: look again"
            return _result(chosen, case, "refused", reason="moved_on", says=says)
        producer = Producer(settings.kafka.brokers, client_id="careline-cli")
        await producer.start()
        try:
            now = SystemClock().now()
            facts: dict[str, Any] = {
                "command_id": chosen.id,
                "case_id": case.case_id,
                "issued_at": now,
                "not_after": now + _VALID,
                "actor": actor,
                "seen_version": case.version,
            }
            asker = Asker(ledger, producer, reader, source=_SOURCE)
            answer = await asker.ask(make(case, facts), within=ask.wait)
        finally:
            await producer.stop()
        latest = await ledger.read_case(ask.case) or case
    return _told(chosen, latest, answer, now)


def _told(ask: _Ask, case: Case, answer: Answer, now: datetime) -> tuple[int, dict[str, Any], str]:
    if answer.refusal is not None:
        return _refused(ask, case, answer.refusal, now)
    if answer.earlier:
        reason = answer.earlier.removeprefix("refused:")
        if reason != answer.earlier:
            return _result(ask, case, "refused", reason=reason, says=f"it was refused: {reason}")
        return _result(ask, case, "done", says="it was done already, under this key")
    if not answer.events:
        says = (
            f"it is stored and not decided yet; ask again with --key {ask.key}, or see: "
            f"careline case show {case.case_id}"
        )
        return _result(ask, case, "pending", says=says)
    last = answer.events[-1]
    return _result(ask, case, "done", says=last.type.rpartition(".")[2].replace("_", " "))


def _refused(
    ask: _Ask, case: Case, refusal: CommandRefused, now: datetime
) -> tuple[int, dict[str, Any], str]:
    says = refusal.reason.value.replace("_", " ")
    if refusal.holder is not None:
        says += f" by {refusal.holder.name or refusal.holder.id}"
        if refusal.since is not None:
            says += f" {int((now - refusal.since).total_seconds())} s ago"
    return _result(ask, case, "refused", reason=refusal.reason.value, says=says)


def _result(
    ask: _Ask, case: Case, result: str, *, says: str, reason: str = ""
) -> tuple[int, dict[str, Any], str]:
    holder = case.claim.holder.name or case.claim.holder.id if case.claim else None
    until = case.claim.lease_until if case.claim else None
    document = {
        "case": case.case_id,
        "verb": ask.verb,
        "key": ask.key,
        "result": result,
        "reason": reason,
        "says": says,
        "status": case.status,
        "version": case.version,
        "holder": holder,
        "held_until": until,
    }
    sign = {"done": "✓", "refused": "✗"}.get(result, "…")
    held = f"held by {holder} until {until:%H:%M} UTC" if holder and until else "held by nobody"
    line = f"{sign} {ask.verb} {case.case_id}: {says} ({held})"
    return (output.OK if result == "done" else output.NO), document, line
