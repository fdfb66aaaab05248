"""`careline policy`: the service levels of careline.yaml, checked, explained and compared."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from careline.cli import output
from careline.config import CarelineConfig, examine, load_config, read_config
from careline.domain.calendars import Calendar
from careline.domain.explain import Change, Explanation, compare, explain
from careline.domain.policy import Policy, QueryFacts
from careline.domain.routing import queue_of
from careline.policy_file import ServiceLevels, write_duration
from careline.runtime.clock import SystemClock
from careline.runtime.errors import ConfigurationError
from careline.settings import load_settings
from schemas.mentions import Visibility
from schemas.targets import TargetKind
from schemas.triage import Priority

app = typer.Typer(
    no_args_is_help=True,
    help="The service levels: are they right, what do they say of a query, what would change.",
)

_SHOWN_BY_SAMPLES: Final = frozenset(
    {"targets", "next_response", "resolution", "calendars", "calendar", "rules", "vips"}
)
_SAMPLE_HOURS: Final = ((0, 10, 0), (4, 16, 30), (5, 12, 0))
"""Weekday, hour and minute of the sample times: a Monday morning, a Friday evening, a Saturday."""
_FILE_HELP: Final = "A careline.yaml; without it, the one that the settings name."
_ISO_HELP: Final = "When it is heard, such as 2026-11-23T09:00Z; without it, now."

File = Annotated[Path | None, typer.Option("--file", help=_FILE_HELP)]


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help=_FILE_HELP)] = None,
    as_json: output.Json = False,
) -> None:
    """Say whether a careline.yaml is right, or all that is wrong with it; exit 1 if it is not.

    Example: careline policy check careline.yaml
    """
    path = file or load_settings().config
    config, problems = examine(read_config(path))
    if as_json:
        output.say_json({"file": str(path), "ok": config is not None, "problems": problems})
    for problem in problems if not as_json else ():
        output.say(f"✗ {problem}")
    if config is None:
        raise typer.Exit(output.NO)
    if not as_json:
        levels = config.service_levels
        output.say(
            f"✓ {path}: calendars {len(levels.calendars)}, rules {len(levels.rules)}, "
            f"steps of the ladder {len(levels.ladder)}"
        )


@app.command("explain")
def explain_query(  # noqa: PLR0913, PLR0917 - one option each
    priority: Annotated[Priority, typer.Option(help="As triage finds it.")] = Priority.P3,
    account: Annotated[str, typer.Option(help="The brand account that hears it.")] = "",
    direct: Annotated[bool, typer.Option("--direct", help="A direct message.")] = False,
    language: Annotated[str, typer.Option(help="Such as de.")] = "",
    vip: Annotated[bool, typer.Option("--vip", help="Its author is a VIP.")] = False,
    at: Annotated[str, typer.Option(help=_ISO_HELP)] = "",
    file: File = None,
    as_json: output.Json = False,
) -> None:
    """Say when the answer to a query is due, who is told if it does not come, and why.

    Example: careline policy explain --priority P2 --account acme --at 2026-11-23T09:00Z
    """
    config, policy = _policy(file)
    name = account or config.brands[0].accounts[0].handle
    visibility = Visibility.DIRECT if direct else Visibility.PUBLIC
    facts = QueryFacts(priority, name, queue_of(name, visibility), language, vip)
    found = [explain(kind, facts, at=_instant(at), policy=policy) for kind in TargetKind]
    targets = [each for each in found if each is not None]
    if as_json:
        output.say_json({each.kind.value: _plain(each) for each in targets})
        return
    for number, each in enumerate(targets):
        if number:
            output.say()
        for line in _told(each, policy):
            output.say(line)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="A careline.yaml.")],
    new: Annotated[Path, typer.Argument(help="Another one.")],
    at: Annotated[str, typer.Option(help="The week after this one is the sample.")] = "",
    as_json: output.Json = False,
) -> None:
    """Say what changes between two files, for queries of every kind; exit 1 if anything does.

    Example: careline policy diff careline.yaml careline.new.yaml
    """
    before, old_policy = _policy(old)
    after, new_policy = _policy(new)
    queues = sorted({*_queues(before), *_queues(after)})
    instants = _samples(_instant(at))
    targets = list(compare(old_policy, new_policy, queues=queues, instants=instants))
    settings = _settings(before.service_levels, after.service_levels)
    if as_json:
        output.say_json({"settings": settings, "targets": [asdict(each) for each in targets]})
    else:
        for name, (was, will_be) in settings.items():
            output.say(f"✗ {name}: {was} → {will_be}")
        for change in targets:
            for line in _changed(change):
                output.say(line)
        if not settings and not targets:
            output.say("✓ nothing changes")
    if settings or targets:
        raise typer.Exit(output.NO)


def _policy(file: Path | None) -> tuple[CarelineConfig, Policy]:
    settings = load_settings()
    config = load_config(file or settings.config)
    return config, config.service_levels.policy(settings.kafka.partitions)


def _instant(text: str) -> datetime:
    """Read an instant; one without a zone could be anybody's."""
    if not text:
        return SystemClock().now()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min  # noqa: DTZ901 - naive, and so refused below
    if found.tzinfo is None:
        raise ConfigurationError(
            f"{text!r} is no instant", hint="write one with its zone, such as 2026-11-23T09:00Z"
        )
    return found


def _told(found: Explanation, policy: Policy) -> list[str]:
    """Return an explanation in lines, with local times of the calendar that counts."""
    calendar = policy.calendar(found.calendar)
    rows = [
        ("because", found.because),
        ("heard", _local(found.heard_at, calendar)),
    ]
    if found.opens_at > found.heard_at:
        rows.append(("runs from", f"{_local(found.opens_at, calendar)}: it is closed until then"))
    rows += [
        ("time by", f"rule {found.rule}" if found.rule else "the table of targets"),
        ("calendar by", f"rule {found.calendar_rule}" if found.calendar_rule else "priority"),
        ("at risk", _local(found.at_risk_at, calendar)),
        ("due", _local(found.due_at, calendar)),
    ]
    rows += [
        (f"step {number}", f"{_local(step.at, calendar)}  {step.name} → {step.notify}")
        for number, step in enumerate(found.ladder, start=1)
    ]
    every = write_duration(policy.repeat_every)
    rows.append(("then", f"{_local(found.again_at, calendar)}  again, every {every} without end"))
    return output.table(rows)


def _local(at: datetime, calendar: Calendar) -> str:
    return f"{calendar.local(at):%a %Y-%m-%d %H:%M:%S %Z}"


def _plain(found: Explanation) -> dict[str, Any]:
    return asdict(found) | {
        "facts": found.facts._asdict(),
        "allowed": write_duration(found.allowed),
    }


def _queues(config: CarelineConfig) -> list[tuple[str, str]]:
    return [
        (account.handle, queue_of(account.handle, each))
        for brand in config.brands
        for account in brand.accounts
        for each in Visibility
    ]


def _samples(now: datetime) -> list[datetime]:
    """Return sample times in the week after this one, in the zone that was asked in."""
    monday = now.replace(hour=0, minute=0, second=0, microsecond=0)
    monday += timedelta(days=7 - now.weekday())
    return [
        monday + timedelta(days=weekday, hours=hour, minutes=minute)
        for weekday, hour, minute in _SAMPLE_HOURS
    ]


def _settings(old: ServiceLevels, new: ServiceLevels) -> dict[str, tuple[str, str]]:
    """Return the settings that differ and that no target shows."""
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    return {
        name: (_short(before[name]), _short(after[name]))
        for name in before
        if name not in _SHOWN_BY_SAMPLES and before[name] != after[name]
    }


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _changed(change: Change) -> list[str]:
    about = "; ".join(change.about) or "all"
    kind = change.kind.replace("_", " ")
    lines = [f"✗ {change.priority} {kind} ({about}): {change.before} → {change.after}"]
    for each in change.moments:
        was, will_be = (_due(at) for at in (each.before, each.after))
        lines.append(f"    heard {each.heard_at:%a %H:%M %Z}: due {was} → {will_be}")
    return lines


def _due(at: datetime | None) -> str:
    return f"{at:%a %Y-%m-%d %H:%M %Z}" if at else "never"
