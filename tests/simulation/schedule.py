"""One schedule: a seed becomes a world with its people and faults, plays, and is judged."""

from __future__ import annotations

import gc
import hashlib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import structlog

from schemas.topics import CASES_EVENTS
from tests.simulation.auditor import Auditor
from tests.simulation.checker import Verdict, judge
from tests.simulation.connector import Connector
from tests.simulation.customers import WRITING, Customers
from tests.simulation.faults import Fault, draw
from tests.simulation.nemesis import Nemesis
from tests.simulation.people import People
from tests.simulation.responder import Responder
from tests.simulation.stage import Stage
from tests.simulation.worker import Worker
from tests.simulation.world import MINUTE, SECOND, Host, Signal

AUTHORS = 108
"""So that a schedule opens a little more than 100 cases."""
FAULTS_UNTIL = WRITING + 5 * MINUTE
CALM = 14 * MINUTE
PEOPLE_UNTIL = 18 * MINUTE
END = 30 * MINUTE


@dataclass(slots=True)
class Played:
    """What came of a schedule."""

    seed: int
    faults: list[Fault]
    verdict: Verdict
    fingerprint: str = ""
    story: list[tuple[int, str]] = field(default_factory=list)


def quiet(*, for_good: bool = False) -> None:
    """Log nothing: thousands of lines a second help nobody; the world tells the story.

    ``for_good``: faster, but nobody in this process can log again.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        cache_logger_on_first_use=for_good,
    )


def play(
    seed: int,
    *,
    authors: int = AUTHORS,
    without: Collection[int] = (),
    under: Sequence[str] = (),
    telling: bool = False,
    proving: bool = True,
) -> Played:
    """Play a seed to its end and judge it; ``without`` leaves faults out, ``under`` names kinds.

    ``proving``: with a fingerprint of every history, by which two plays are told to be the same.
    """
    stage = Stage(str(seed), telling=telling)
    drawn = draw(stage.world.dice("faults"), active=FAULTS_UNTIL, under=under)
    faults = [fault for fault in drawn if fault.number not in without]
    hosts = _peopled(stage, authors, faults)
    _run(stage)
    verdict = judge(
        stage.history,
        stage.kafka.records(CASES_EVENTS.name),
        stage.slack.messages,
        stage.network.posts,
        end=END,
        policy=stage.policy,
    )
    verdict.problems.extend(f"a process broke: {error}" for error in stage.world.errors)
    for host in hosts:
        host.crash(10 * END)
    fingerprint = _fingerprint(stage) if proving else ""
    story = stage.world.story
    stage.leave()
    return Played(seed, faults, verdict, fingerprint, story)


def _peopled(stage: Stage, authors: int, faults: Sequence[Fault]) -> list[Host]:
    """Put everybody on the stage, and the faults on its heap."""
    world = stage.world
    fed, cursors = Signal(), dict[str, int]()
    Customers(world, stage.network, authors=authors, beat=stage.beat)
    people = People(stage, until=PEOPLE_UNTIL)
    workers = [Host(world, f"worker-{name}", lambda host: _work(stage, host)) for name in "ab"]
    responders = [
        Host(world, f"responder-{name}", lambda host: _ignored(Responder(stage, host)))
        for name in "ab"
    ]
    connector = Host(
        world, "connector", lambda host: _ignored(Connector(stage, host, cursors, fed))
    )
    auditor = Host(world, "auditor", lambda host: _ignored(Auditor(stage, host)))
    stage.network.fed = lambda: fed.fire(world)
    stage.workers.members = workers
    stage.responders.members = responders
    stage.slack.troubles.share = stage.network.troubles.share = 0.04
    hosts = [*workers, *responders, connector, auditor, people.host]
    for host in hosts:
        host.start()
    stage.workers.review()
    stage.responders.review()
    nemesis = Nemesis(
        stage,
        workers=workers,
        responders=responders,
        connector=connector,
        cursors=cursors,
        people=people,
    )
    nemesis.plan(faults)
    world.at(CALM, nemesis.calm)
    return hosts


def _run(stage: Stage) -> None:
    enabled = gc.isenabled()
    gc.disable()
    try:
        stage.world.run(END)
    finally:
        if enabled:
            gc.enable()


def _work(stage: Stage, host: Host) -> None:
    Worker(stage, host)


def _ignored(_: object) -> None:
    """Keep nothing: a host's processes are all that there is of it."""


def _fingerprint(stage: Stage) -> str:
    """Return a digest of every history, but for the tokens that recoveries draw."""
    digest = hashlib.sha256()
    for name, records in sorted(stage.kafka.topics.items()):
        digest.update(name.encode())
        for record in records:
            if b"epoch.started" not in (record.value or b""):
                digest.update(record.value or b"")
    for message in stage.slack.messages:
        digest.update(f"{message.ts}{message.key}".encode())
    for post in stage.network.posts:
        digest.update(f"{post.native_id}{post.at}{post.text}".encode())
    return digest.hexdigest()[:16]


__all__ = ["AUTHORS", "SECOND", "Played", "play"]
