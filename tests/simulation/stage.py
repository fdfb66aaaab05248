"""The stage: one shard's world with everything that the roles share, and who owns the shard now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from careline.domain.policy import LadderStep, Policy
from schemas.commands import Command
from schemas.mentions import HeardRecord
from schemas.triage import Priority
from tests.simulation.kafka import Kafka, SimProducer, SimReader
from tests.simulation.outside import Network, Slack
from tests.simulation.redis import SimRedis
from tests.simulation.world import BEAT, GRID, SECOND, Host, Signal, SimClock, World

ACCOUNT = "acme"
NETWORK = "x"
_SESSION = 10 * SECOND
_JOIN = 3 * SECOND
_IN_STEP = 0.9

POLICY = Policy(
    first_response={
        Priority.P1: timedelta(minutes=3),
        Priority.P2: timedelta(minutes=6),
        Priority.P3: timedelta(minutes=10),
        Priority.P4: timedelta(minutes=15),
    },
    ladder=(
        LadderStep(name="backup group", notify="backup", after=timedelta(0)),
        LadderStep(name="manager", notify="manager", after=timedelta(minutes=4)),
    ),
    repeat_every=timedelta(minutes=6),
    lease=timedelta(minutes=4),
    reply_valid_for=timedelta(minutes=4),
    follow_up=timedelta(minutes=5),
    reopen_window=timedelta(minutes=20),
    snooze_at_most=timedelta(minutes=5),
    partitions=1,
)


@dataclass(slots=True)
class History:
    """What the outside world knows for certain; the checker is given nothing else."""

    heard: dict[str, HeardRecord] = field(default_factory=dict)
    """Event id → what a connector published and Kafka acknowledged."""
    asked: dict[str, Command] = field(default_factory=dict)
    """Command id → what a person asked for and Kafka acknowledged."""
    network_truth: dict[str, bool] = field(default_factory=dict)
    """Effect id → what a person said of an unsettled reply."""


class Group:
    """Which of some hosts owns the shard; a frozen or dead one keeps it for a session's time."""

    def __init__(self, world: World) -> None:
        """Nobody is a member yet."""
        self.world = world
        self.members: list[Host] = []
        self.owner: Host | None = None
        self.generation = 0
        self.both = False
        """A rebalance that went wrong: every member takes itself for the owner."""
        self.committed: dict[str, int] = {}
        self.changed = Signal()

    def owns(self, host: Host) -> bool:
        """Return whether a host may take itself for the owner when it looks."""
        return self.both or self.owner is host

    def review(self) -> None:
        """Choose the owner anew if it is gone."""
        alive = [host for host in self.members if host.up and host.frozen_until <= self.world.now]
        if self.owner not in alive:
            self.owner = alive[0] if alive else None
            self.generation += 1
            self.world.tell(f"{self.owner.name if self.owner else 'nobody'} owns the shard")
            self.changed.fire(self.world)

    def soon(self) -> None:
        """Choose when the session has run out."""
        self.world.after(_SESSION, self.review)

    def joined(self) -> None:
        """Choose when a member has joined."""
        self.world.after(_JOIN, self.review)

    def commit(self, topic: str, offset: int, generation: int) -> None:
        """Commit an offset; a member of an older generation cannot."""
        if generation == self.generation or self.both:
            self.committed[topic] = offset


class Stage:
    """Everything that the roles share."""

    def __init__(self, seed: str, *, telling: bool = False, flags: Sequence[str] = ()) -> None:
        """Build the world of a seed."""
        self.world = World(seed, telling=telling)
        self.kafka = Kafka(self.world)
        self.redis = SimRedis(self.world)
        self.slack = Slack(self.world)
        self.network = Network(self.world)
        self.producer = SimProducer(self.kafka)
        self.reader = SimReader(self.kafka)
        self.clock = SimClock(self.world)
        self.policy = POLICY
        self.history = History()
        self.workers = Group(self.world)
        self.responders = Group(self.world)
        self.redis.crowded = lambda: self.workers.both or self.responders.both
        self.cancelled: set[str] = set()
        """Topics whose next batch is acknowledged without having been worked on."""
        self.beat = BEAT if self.world.dice("beat").random() < _IN_STEP else GRID
        """At which instants people write and click: in a few schedules each at their own."""
        self.flags = frozenset(flags)

    def leave(self) -> None:
        """Let go of everything: a world is full of circles, and no collector need look for them."""
        for part in (self.kafka, self.redis, self.slack, self.network, self.world, self):
            vars(part).clear()
