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
from tests.simulation.customers import Customers
from tests.simulation.faults import Fault, Nemesis, draw
from tests.simulation.people import People
from tests.simulation.responder import Responder
from tests.simulation.stage import Stage
from tests.simulation.worker import Worker
from tests.simulation.world import HOUR, MINUTE, SECOND, Host, Signal

AUTHORS = 85
ACTIVE = 30 * MINUTE
CALM = 45 * MINUTE
END = 3 * HOUR
PEOPLE_UNTIL = END - 75 * MINUTE


@dataclass(slots=True)
class Played:
    """What came of a schedule."""

    seed: int
    faults: list[Fault]
    verdict: Verdict
    fingerprint: str
    story: list[tuple[int, str]] = field(default_factory=list)


def quiet() -> None:
    """Log nothing: thousands of lines a second help nobody; the world tells the story."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def play(
    seed: int,
    *,
    authors: int = AUTHORS,
    without: Collection[int] = (),
    under: Sequence[str] = (),
    telling: bool = False,
) -> Played:
    """Play a seed to its end and judge it; ``without`` leaves faults out, ``under`` names kinds."""
    stage = Stage(str(seed), telling=telling)
    world = stage.world
    fed, cursors = Signal(), dict[str, int]()
    Customers(world, stage.network, authors=authors, active=ACTIVE)
    People(stage, until=PEOPLE_UNTIL)
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
    for host in (*workers, *responders, connector, auditor):
        host.start()
    stage.workers.review()
    stage.responders.review()
    nemesis = Nemesis(
        stage, workers=workers, responders=responders, connector=connector, cursors=cursors
    )
    drawn = draw(world.dice("faults"), active=ACTIVE + 8 * MINUTE, under=under)
    faults = [fault for fault in drawn if fault.number not in without]
    nemesis.plan(faults)
    world.at(CALM, nemesis.calm)
    enabled = gc.isenabled()
    gc.disable()
    try:
        world.run(END)
    finally:
        if enabled:
            gc.enable()
    verdict = judge(
        stage.history,
        stage.kafka.records(CASES_EVENTS.name),
        stage.slack.messages,
        stage.network.posts,
        end=END,
        policy=stage.policy,
    )
    verdict.problems.extend(f"a process broke: {error}" for error in world.errors)
    for host in (*workers, *responders, connector, auditor):
        host.crash(10 * END)
    return Played(seed, faults, verdict, _fingerprint(stage), world.story)


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
