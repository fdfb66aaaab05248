"""Who does what goes wrong: each kind of fault, at its time, to this stage and its hosts.

Promise: everything that is wrong ends by itself, or when all is to be calm.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from schemas.topics import CASES_COMMANDS, CASES_EVENTS, MENTIONS_RECEIVED, MENTIONS_TRIAGED
from tests.simulation.faults import Fault
from tests.simulation.outside import FarSide
from tests.simulation.people import People
from tests.simulation.stage import Group, Stage
from tests.simulation.world import GRID, MINUTE, SECOND, Host

_MS = 1000


class Nemesis:
    """Does the faults."""

    def __init__(
        self,
        stage: Stage,
        *,
        workers: Sequence[Host],
        responders: Sequence[Host],
        connector: Host,
        cursors: dict[str, int],
        people: People,
    ) -> None:
        """Have these hosts at its mercy."""
        self._people = people
        self._stage = stage
        self._world = stage.world
        self._workers = workers
        self._responders = responders
        self._connector = connector
        self._cursors = cursors

    def plan(self, faults: Sequence[Fault]) -> None:
        """Put the faults on the world's heap."""
        for fault in faults:
            self._world.at(fault.at, self._do, fault)

    def calm(self) -> None:
        """End everything that is still wrong."""
        stage = self._stage
        stage.kafka.trouble = stage.redis.trouble = 0.0
        stage.redis.down = False
        stage.redis.heal()
        stage.workers.both = stage.responders.both = False
        stage.cancelled.clear()
        stage.kafka.next_fates.clear()
        stage.kafka.away.clear()
        stage.redis.behind.clear()
        stage.redis.slow = 1
        for side in (stage.slack, stage.network):
            side.troubles.share = 0.0
            side.troubles.blocked = side.troubles.limited = False
            side.freezing = 0

    def _do(self, fault: Fault) -> None:
        dice = self._world.dice(f"fault {fault.number}")
        self._world.tell(f"*** {fault}")
        _DOINGS[fault.kind](self, dice)

    # -- hosts ------------------------------------------------------------------------------------

    def _dies(self, host: Host, group: Group | None, down: int) -> None:
        if host.up:
            host.crash(down)
            if group is not None:
                group.soon()
                self._world.after(down, group.joined)

    def _freezes(self, host: Host, group: Group, span: int) -> None:
        if host.up:
            host.freeze(span)
            group.soon()
            self._world.after(span, group.joined)

    def _owner(self, group: Group, hosts: Sequence[Host], dice: random.Random) -> Host:
        return group.owner if group.owner and dice.random() < 0.8 else dice.choice(hosts)

    def _worker_dies(self, dice: random.Random) -> None:
        group = self._stage.workers
        host = self._owner(group, self._workers, dice)
        self._dies(host, group, dice.randint(1, 40) * SECOND)

    def _worker_freezes(self, dice: random.Random) -> None:
        group = self._stage.workers
        host = self._owner(group, self._workers, dice)
        self._freezes(host, group, dice.randint(2, 90) * SECOND)

    def _responder_dies(self, dice: random.Random) -> None:
        group = self._stage.responders
        host = self._owner(group, self._responders, dice)
        self._dies(host, group, dice.randint(1, 40) * SECOND)

    def _responder_freezes(self, dice: random.Random) -> None:
        group = self._stage.responders
        host = self._owner(group, self._responders, dice)
        self._freezes(host, group, dice.randint(2, 90) * SECOND)

    def _connector_dies(self, dice: random.Random) -> None:
        self._dies(self._connector, None, dice.randint(1, 60) * SECOND)

    def _page_half_published(self, dice: random.Random) -> None:
        """A page is cut in the middle, and its connector dies before it could send the rest."""

        def die() -> None:
            self._dies(self._connector, None, dice.randint(1, 60) * SECOND)

        self._stage.kafka.next_fates[MENTIONS_RECEIVED.name] = "part"
        self._stage.kafka.cut = die

    def _cursor_lost(self, dice: random.Random) -> None:
        for source, at in self._cursors.items():
            self._cursors[source] = max(0, at - dice.randint(0, 30))

    def _two_owners(self, dice: random.Random) -> None:
        group = dice.choice((self._stage.workers, self._stage.responders))
        group.both = True
        group.changed.fire(self._world)

        def end() -> None:
            group.both = False

        self._world.after(dice.randint(5, 40) * SECOND, end)

    def _worker_dies_behind_commit(self, dice: random.Random) -> None:
        """The next commit of a worker is its last act: its outbox is left for somebody else."""
        down = dice.randint(1, 40) * SECOND

        def die(host: Host) -> None:
            self._dies(host, self._stage.workers, down)

        self._stage.redis.behind["commit"] = die

    def _batch_cancelled(self, dice: random.Random) -> None:
        topics = (MENTIONS_RECEIVED.name, MENTIONS_TRIAGED.name, CASES_COMMANDS.name)
        self._stage.cancelled.add(dice.choice(topics))

    # -- Redis ------------------------------------------------------------------------------------

    def _redis_restarts(self, dice: random.Random) -> None:
        redis = self._stage.redis
        redis.down = True
        self._world.after(dice.randint(200, 12_000) * _MS, redis.restart)

    def _loses_tail(self, dice: random.Random) -> None:
        redis = self._stage.redis
        kept = redis.copy()

        def cut() -> None:
            self._world.tell("Redis restarts without its newest writes")
            redis.restart(kept)

        self._world.after(dice.randint(20, 8_000) * _MS, cut)

    def _fails_over(self, dice: random.Random, lag: int) -> None:
        redis, world = self._stage.redis, self._world
        replica = redis.copy()
        hosts = (*self._workers, *self._responders)
        still = frozenset(host.name for host in hosts if dice.random() < 0.4)
        skew = dice.choice((-1, 0, 0, 1)) * GRID

        def promote() -> None:
            world.tell(f"failover; {', '.join(sorted(still)) or 'nobody'} sees the old server")
            redis.fail_over(replica, still=still, skew=skew)
            world.after(dice.randint(100, 6_000) * _MS, redis.heal)

        world.after(lag, promote)

    def _failover(self, dice: random.Random) -> None:
        self._fails_over(dice, dice.randint(1, 4_000) * _MS)

    def _stale_promotion(self, dice: random.Random) -> None:
        self._fails_over(dice, dice.randint(20, 300) * SECOND)

    def _lag_then_failover(self, dice: random.Random) -> None:
        """Workers stand still while input piles up, then the ledger loses what they had done."""
        for host in self._workers:
            self._freezes(host, self._stage.workers, dice.randint(15, 60) * SECOND)
        self._fails_over(dice, dice.randint(10, 75) * SECOND)

    def _flush(self, _: random.Random) -> None:
        self._stage.redis.server.flush()

    def _soon_lost(self, dice: random.Random) -> None:
        """Lose what was written last, one way or another."""
        delay = dice.randint(500, 8_000) * _MS
        if dice.random() < 0.5:
            self._world.after(delay, self._flush_now)
        else:
            self._fails_over(dice, delay)

    def _correction_then_flush(self, dice: random.Random) -> None:
        self._people.correct_now(query=dice.random() < 0.5)
        self._world.after(dice.randint(1, 8_000) * _MS, self._flush_now)

    def _two_claims_then_lost(self, dice: random.Random) -> None:
        self._people.claim_both()
        self._soon_lost(dice)

    def _flush_then_stale(self, dice: random.Random) -> None:
        """A replica that was not flushed yet, or not fed for long, takes over the empty server."""
        self._fails_over(dice, dice.randint(2, 60) * SECOND)
        self._world.after(dice.randint(1, 2_000) * _MS, self._flush_now)

    def _flush_now(self) -> None:
        self._stage.redis.server.flush()

    def _flush_recovery_killed(self, dice: random.Random) -> None:
        self._flush_now()
        if dice.random() < 0.5:
            step = dice.choice(("set_epoch", "read", "commit", "seed", "mark_unknown"))
            self._stage.redis.behind[step] = lambda host: self._dies(
                host, self._stage.workers, 2 * SECOND
            )
            return
        for _ in range(dice.randint(1, 3)):
            delay = dice.randint(1, 3_000) * _MS
            host = dice.choice(self._workers)
            self._world.after(delay, self._dies, host, self._stage.workers, 2 * SECOND)
        if dice.random() < 0.5:
            again = self._flush_now if dice.random() < 0.5 else self._restart_now
            self._world.after(dice.randint(100, 3_000) * _MS, again)

    def _recovery_freezes(self, dice: random.Random) -> None:
        """Whoever recovers next stands still when all is done but the last word."""
        span = dice.randint(15, 90) * SECOND
        self._stage.redis.behind["mark_unknown"] = lambda host: self._freezes(
            host, self._stage.workers, span
        )
        self._flush_now()

    def _restart_now(self) -> None:
        self._stage.redis.restart()

    def _late_outbox(self, dice: random.Random) -> None:
        self._stage.kafka.next_fates[CASES_EVENTS.name] = "late"
        end = self._flush_now if dice.random() < 0.5 else self._restart_now
        self._world.after(dice.randint(300, 6_000) * _MS, end)

    # -- weather ----------------------------------------------------------------------------------

    def _kafka_trouble(self, dice: random.Random) -> None:
        kafka = self._stage.kafka
        kafka.trouble = dice.choice((0.1, 0.3, 0.6))

        def end() -> None:
            kafka.trouble = 0.0

        self._world.after(dice.randint(5, 60) * SECOND, end)

    def _redis_slow(self, dice: random.Random) -> None:
        redis = self._stage.redis
        redis.slow = dice.choice((30, 300, 1_000))

        def end() -> None:
            redis.slow = 1

        self._world.after(dice.randint(10, 60) * SECOND, end)

    def _two_workers_slow(self, dice: random.Random) -> None:
        """Two workers decide on the same cases, each on what the other is just changing."""
        group, redis = self._stage.workers, self._stage.redis
        group.both, redis.slow = True, dice.choice((300, 1_000))
        group.changed.fire(self._world)

        def end() -> None:
            group.both, redis.slow = False, 1

        self._world.after(dice.randint(20, 60) * SECOND, end)

    def _log_away_then_flush(self, dice: random.Random) -> None:
        """Events wait in the outbox, and are lost there before anybody heard of them."""
        away = self._stage.kafka.away
        away.add(CASES_EVENTS.name)

        def end() -> None:
            away.discard(CASES_EVENTS.name)
            self._flush_now()

        self._world.after(dice.randint(20, 120) * SECOND, end)

    def _redis_trouble(self, dice: random.Random) -> None:
        redis = self._stage.redis
        redis.trouble = dice.choice((0.05, 0.2, 0.5))

        def end() -> None:
            redis.trouble = 0.0

        self._world.after(dice.randint(5, 60) * SECOND, end)

    def _far_trouble(self, side: FarSide, dice: random.Random) -> None:
        before = side.troubles.share
        side.troubles.share = dice.choice((0.2, 0.5, 0.9))

        def end() -> None:
            side.troubles.share = before

        self._world.after(dice.randint(30, 240) * SECOND, end)

    def _slack_trouble(self, dice: random.Random) -> None:
        self._far_trouble(self._stage.slack, dice)

    def _network_trouble(self, dice: random.Random) -> None:
        self._far_trouble(self._stage.network, dice)

    def _slack_limits(self, dice: random.Random) -> None:
        troubles = self._stage.slack.troubles
        troubles.limited = True

        def end() -> None:
            troubles.limited = False

        self._world.after(dice.randint(20, 180) * SECOND, end)

    def _network_blocked(self, dice: random.Random) -> None:
        """Access is gone for longer than any reply is valid."""
        troubles = self._stage.network.troubles
        troubles.blocked = True

        def end() -> None:
            troubles.blocked = False

        self._world.after(dice.randint(1, 10) * MINUTE, end)

    def _sender_frozen(self, dice: random.Random) -> None:
        side = dice.choice((self._stage.slack, self._stage.network))
        side.freezing = dice.randint(5, 200) * SECOND


_DOINGS: dict[str, Callable[[Nemesis, random.Random], None]] = {
    "worker dies": Nemesis._worker_dies,
    "worker freezes": Nemesis._worker_freezes,
    "responder dies": Nemesis._responder_dies,
    "responder freezes": Nemesis._responder_freezes,
    "connector dies": Nemesis._connector_dies,
    "redis restarts": Nemesis._redis_restarts,
    "redis loses its tail": Nemesis._loses_tail,
    "failover": Nemesis._failover,
    "stale promotion": Nemesis._stale_promotion,
    "flush": Nemesis._flush,
    "flush, recovery killed": Nemesis._flush_recovery_killed,
    "late outbox, then flush": Nemesis._late_outbox,
    "lag, then failover": Nemesis._lag_then_failover,
    "kafka trouble": Nemesis._kafka_trouble,
    "redis trouble": Nemesis._redis_trouble,
    "slack trouble": Nemesis._slack_trouble,
    "slack limits": Nemesis._slack_limits,
    "network trouble": Nemesis._network_trouble,
    "network blocked": Nemesis._network_blocked,
    "two owners": Nemesis._two_owners,
    "batch cancelled": Nemesis._batch_cancelled,
    "sender frozen before its write": Nemesis._sender_frozen,
    "cursor lost": Nemesis._cursor_lost,
    "worker dies behind its commit": Nemesis._worker_dies_behind_commit,
    "page half published": Nemesis._page_half_published,
    "correction, then flush": Nemesis._correction_then_flush,
    "two claims, then lost": Nemesis._two_claims_then_lost,
    "flush, then stale promotion": Nemesis._flush_then_stale,
    "redis slow": Nemesis._redis_slow,
    "two workers, slow redis": Nemesis._two_workers_slow,
    "log away, then flush": Nemesis._log_away_then_flush,
    "recovery freezes before its last step": Nemesis._recovery_freezes,
}
