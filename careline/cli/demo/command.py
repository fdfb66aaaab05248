"""`careline demo`: the whole bridge on this machine, without an account."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from careline import wiring
from careline.cli import output
from careline.cli.demo import balance, story, stream
from careline.cli.demo.chronicle import Chronicle
from careline.cli.demo.kills import read_kills
from careline.cli.demo.narrator import Narrator
from careline.cli.demo.probe import Probe
from careline.cli.stage import Stage, StagePlan
from careline.cli.up import until_stopped
from careline.runtime.errors import ConfigurationError
from careline.sandbox.stream_files import Stream, read_stream
from careline.settings import speed_of
from schemas.topics import TOPICS

T = TypeVar("T")
_SEED: Final = 7
_SHOWN_PROBLEMS: Final = 20


def demo(  # noqa: PLR0913, PLR0917 - the options of a command
    file: Annotated[
        Path | None,
        typer.Option("--stream", help="Play a file of posts (.jsonl, .csv, plain or .gz)."),
    ] = None,
    speed: Annotated[str, typer.Option(help="With --stream: 1, 60 or any factor, or max.")] = "max",
    direct: Annotated[
        bool, typer.Option("--direct", help="With --stream: without X, by the replay connector.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="With --stream: only the first N posts.")
    ] = None,
    kill: Annotated[
        list[str] | None,
        typer.Option(
            help="With --stream: kill -9 at random moments, NAME:TIMES; NAME is worker, connector, "
            "responder or valkey. May be given several times."
        ),
    ] = None,
    kafka: Annotated[str, typer.Option(help="HOST:PORT of an empty Kafka to use instead.")] = "",
    redis: Annotated[str, typer.Option(help="URL of an empty Redis to use instead.")] = "",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep running afterwards, to look around and click.")
    ] = False,
    seed: Annotated[int, typer.Option(help="What chance is made of.")] = _SEED,
    as_json: output.Json = False,
) -> None:
    """Run the whole bridge on this machine: no account, no Docker, ends by itself.

    Kafka, Valkey, X and Slack are stand-ins that speak the real protocols; the roles are the real
    ones. Without --stream it plays a short story. Exit 0 only if the balance closes: every query
    is answered, closed with a reason, or open with a live deadline.

    Example: careline demo --keep

    Example: careline demo --stream posts.jsonl.gz --speed max --kill worker:3 --json
    """
    say = output.tell if as_json else output.say
    started = time.monotonic()
    if file is None:
        if direct or limit or kill:
            raise ConfigurationError(
                "--direct, --limit and --kill need a stream", hint="add --stream FILE"
            )
        ended = asyncio.run(_story(kafka=kafka, redis=redis, keep=keep, say=say))
    else:
        kills = read_kills(kill or (), seed=seed)
        plan = stream.StreamPlan(
            stream=_read(file, limit, by_line=direct),
            file=file,
            speed=_speed(speed),
            direct=direct,
            kills=kills,
            kafka=kafka,
            redis=redis,
            limit=limit,
            seed=seed,
        )
        ended = asyncio.run(_stream(plan, keep=keep, say=say))
    if as_json:
        output.say_json(
            ended.figures
            | {
                "balance": [{"holds": line.holds, "says": line.says} for line in ended.lines],
                "problems": ended.problems,
                "closes": ended.closes,
            }
        )
    else:
        _show(ended, time.monotonic() - started)
    raise typer.Exit(output.OK if ended.closes else output.NO)


async def _story(*, kafka: str, redis: str, keep: bool, say: story.Say) -> balance.Report:
    plan = StagePlan(
        config=story.config(),
        furniture=story.furniture(),
        kafka=kafka,
        redis=redis,
        embedded_kafka=not kafka,
        embedded_redis=not redis,
        settings=story.SETTINGS,
    )
    say("careline demo: one morning at Acme. Everything is real but the people and the networks.")
    started = time.monotonic()
    async with _stage(plan, say=say) as stage:
        async with Probe(stage, executors=(f"x:{story.BRAND}",)) as probe:
            await _or_failure(stage, stream.ready(probe, cursors=len(story.SOURCES)))
            narrator = Narrator(say)
            async with Chronicle(stage.settings.kafka.brokers, on_event=narrator.tell) as chronicle:
                say("✓ ready; see it at " + stage.sandbox["slack_url"])
                say("")
                narrator.name_people(*await story.names(stage.sandbox))
                acts = story.Story(stage.sandbox, narrator, chronicle)
                await _or_failure(stage, acts.play())
            await stream.settled(probe)
            summary = await stage.sandbox.get("summary", detail=1, event_type="careline_case")
            own = int(summary["x"]["own_posts"]) + int(summary["x"]["dms"])
            fed = balance.Fed(customers=story.CUSTOMERS, own=own)
            report = await balance.count(probe, summary, fed, seconds=time.monotonic() - started)
        if keep:
            await _keep(stage, report, say)
        return report


async def _stream(plan: stream.StreamPlan, *, keep: bool, say: story.Say) -> balance.Report:
    drawn = output.Progress()

    def progress(run: stream.Run) -> None:
        rest = ", ".join(f"{name} {number}" for name, number in run.standing.on_the_way.items())
        drawn.show(f"{run.share:5.0%}  {rest}"[:100])

    async with _stage(stream.stage_plan(plan), say=say) as stage:
        try:
            report = await _or_failure(stage, stream.play(plan, stage, say=say, progress=progress))
        finally:
            drawn.clear()
        if keep:
            await _keep(stage, report, say)
        return report


@contextlib.asynccontextmanager
async def _stage(plan: StagePlan, *, say: story.Say) -> AsyncIterator[Stage]:
    """Run a stage; SIGTERM ends it like Ctrl-C, and after a failure its logs are kept."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with Stage(plan, say=say) as stage:
        if not plan.embedded_kafka:
            await _require_empty(stage)
        try:
            yield stage
        except Exception:
            kept = Path(tempfile.mkdtemp(prefix="careline-demo-logs-"))
            for log in stage.directory.glob("*.log"):
                shutil.copy(log, kept)
            output.tell(f"the logs of this run are kept in {kept}")
            raise


async def _require_empty(stage: Stage) -> None:
    """Refuse a Kafka that holds records: no count could tell them from this run's."""
    async with Probe(stage, executors=()) as probe:
        for topic in TOPICS:
            if any(await probe.ends(topic)):
                raise ConfigurationError(
                    f"{topic.name} on {stage.settings.kafka.bootstrap_servers} holds records",
                    hint="give the demo a Kafka of its own, or leave --kafka out",
                )


async def _or_failure(stage: Stage, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, unless a role cannot run: then raise what that role said."""
    doing = asyncio.create_task(work, name="demo")
    failing = asyncio.create_task(stage.supervisor.failed(), name="failed role")
    try:
        await asyncio.wait({doing, failing}, return_when=asyncio.FIRST_COMPLETED)
        if failing.done() and not doing.done():
            failing.result()
        return await doing
    finally:
        for each in (doing, failing):
            each.cancel()
        await asyncio.gather(doing, failing, return_exceptions=True)


async def _keep(stage: Stage, report: balance.Report, say: story.Say) -> None:
    for line in _lines(report):
        say(line)
    say(f"Slack is at {stage.sandbox['slack_url']}: look around and click. Ctrl-C ends it.")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await until_stopped(stage, stop)


def _show(report: balance.Report, seconds: float) -> None:
    for line in _lines(report):
        output.say(line)
    verdict = "the balance closes" if report.closes else "THE BALANCE DOES NOT CLOSE"
    colour = "green" if report.closes else "red"
    output.say(output.paint(f"{verdict} ({seconds:.0f} s in all)", colour))


def _lines(report: balance.Report) -> list[str]:
    rows = [(name, "-" if value is None else f"{value}") for name, value in report.figures.items()]
    return [
        "",
        *output.table(rows),
        "",
        *(f"{'✓' if line.holds else '✗'} {line.says}" for line in report.lines),
        *(f"✗ {problem}" for problem in report.problems[:_SHOWN_PROBLEMS]),
    ]


def _read(file: Path, limit: int | None, *, by_line: bool) -> Stream:
    wiring.check_readable(file)
    try:
        found = read_stream(file)
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise ConfigurationError(
            f"{file}: cannot be read as posts ({type(error).__name__})",
            hint="use .jsonl, .csv or .tsv, plain or .gz",
        ) from error
    if not found.posts and not found.malformed:
        raise ConfigurationError(f"{file}: holds no line", hint="name a file of posts")
    if limit and by_line:  # the replay connector reads the file as it stands
        posts = [post for post in found.posts if post.line <= limit]
        malformed = [item for item in found.malformed if item.line <= limit]
        return Stream(posts, malformed, found.brands)
    return found.first(limit) if limit else found


def _speed(text: str) -> float | None:
    try:
        return speed_of(text)
    except ValueError as error:
        raise ConfigurationError(str(error), hint="see: careline demo --help") from None
