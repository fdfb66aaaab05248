"""Redis: one server that may crash, forget, be flushed or be replaced by a stale copy of itself.

Promises: a script runs whole or not at all, on one server; what was acknowledged may be lost by a
failover or a cut of the append-only file, and a server that was replaced may still answer some
clients for a while. An answer may be lost after the script has run.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from redis.asyncio import Redis

from careline.ledger.fence import LedgerUnavailable, ScriptFailed
from careline.ledger.scripts import Arg, Reply, Scripts
from careline.ledger.store import Ledger
from tests.simulation.model import ShardModel
from tests.simulation.world import Host, Process, Waiting, World


class SimRedis:
    """The server of the one shard, and who still speaks to which copy of it."""

    def __init__(self, world: World) -> None:
        """Start the first server, empty."""
        self.world = world
        self.skew = 0
        self.down = False
        self.trouble = 0.0
        self._dice: random.Random = world.dice("redis")
        self._runs = 0
        self.server = self._new()
        self.old: ShardModel | None = None
        self.cut_off: frozenset[str] = frozenset()
        """Hosts that still speak to the old server."""
        self.behind: dict[str, Callable[[Host], None]] = {}
        """Script → called once: it has just run, and its host has no answer yet."""
        self.slow = 1
        """How many times as long as usual every call takes."""

    def _new(self) -> ShardModel:
        return ShardModel(self._run_id(), self.clock)

    def _run_id(self) -> bytes:
        self._runs += 1
        return b"%040x" % (0xA0 + self._runs)

    def clock(self) -> int:
        """Return the server's clock in µs."""
        return self.world.micros() + self.skew

    # -- what goes wrong --------------------------------------------------------------------------

    def copy(self) -> ShardModel:
        """Return what a replica, or the file on disk, holds now."""
        return self.server.copy()

    def restart(self, data: ShardModel | None = None) -> None:
        """Come back as a new run, with all data or with an older copy."""
        self.server = (data or self.server).copy(self._run_id())
        self.down = False

    def fail_over(self, replica: ShardModel, *, still: frozenset[str], skew: int) -> None:
        """Let a replica take over; some hosts do not notice yet."""
        self.old, self.cut_off = self.server, still
        self.server = replica.copy(self._run_id())
        self.skew = skew

    def heal(self) -> None:
        """Let everybody see the new server."""
        self.old, self.cut_off = None, frozenset()

    # -- what is asked ----------------------------------------------------------------------------

    def of(self, host: Host) -> ShardModel:
        """Return the server that a host speaks to."""
        return self.old if self.old is not None and host.name in self.cut_off else self.server

    def ask(self, call: Callable[[ShardModel], Any], *, script: str = "") -> Waiting[Any]:
        """Call the server; the answer comes, or an error that tells nothing."""
        dice, world = self._dice, self.world
        there = (60 + int(dice.random() * 840)) * self.slow
        fate = dice.random()

        def begin(process: Process) -> None:
            def arrive() -> None:
                if self.down:
                    process.resume(error=LedgerUnavailable("the server is down"))
                    return
                if fate < self.trouble:
                    if dice.random() < 0.5:
                        call(self.of(process.host))
                    process.later(dice.randint(0, 900_000), error=LedgerUnavailable("no answer"))
                    return
                answer = call(self.of(process.host))
                if script in self.behind:
                    self.behind.pop(script)(process.host)
                if dice.random() < 0.85:
                    process.resume(answer)
                else:
                    process.later(60 + int(dice.random() * 30_000), answer)

            world.after(there, arrive)

        return Waiting(begin)


class SimScripts:
    """What the ledger needs of `careline.ledger.scripts.Scripts`."""

    def __init__(self, redis: SimRedis) -> None:
        """Call this server."""
        self._redis = redis

    async def run(self, name: str, _: int, *args: Arg) -> Reply:
        """Call a script."""
        answer: Reply = await self._redis.ask(lambda server: server.run(name, *args), script=name)
        return answer

    async def run_many(
        self, name: str, calls: Mapping[int, Sequence[Arg]]
    ) -> dict[int, Reply | ScriptFailed]:
        """Call a script on several shards; there is one."""
        return {shard: await self.run(name, shard, *args) for shard, args in calls.items()}


class SimClient:
    """The plain commands that the ledger uses beside its scripts."""

    def __init__(self, redis: SimRedis) -> None:
        """Call this server."""
        self._redis = redis

    def hget(self, name: str, field: str) -> Awaitable[bytes | None]:
        """HGET."""
        return self._redis.ask(lambda server: server.get(_bare(name), field.encode()))

    def hgetall(self, name: str) -> Awaitable[dict[bytes, bytes]]:
        """HGETALL."""
        return self._redis.ask(lambda server: dict(server.hashes.get(_bare(name), {})))

    def get(self, name: str) -> Awaitable[bytes | None]:
        """GET."""
        return self._redis.ask(lambda server: server.strings.get(_bare(name)))

    def xlen(self, _: str) -> Awaitable[int]:
        """XLEN."""
        return self._redis.ask(lambda server: len(server.outbox or ()))

    def zrange(
        self, name: str, first: int, last: int, *, withscores: bool
    ) -> Awaitable[list[tuple[bytes, float]]]:
        """ZRANGE with scores."""
        assert withscores

        def call(server: ShardModel) -> list[tuple[bytes, float]]:
            found = server.zsets.get(_bare(name), {})
            entries = sorted((score, member) for member, score in found.items())
            stop = len(entries) if last == -1 else last + 1
            return [(member, score) for score, member in entries[first:stop]]

        return self._redis.ask(call)


def _bare(name: str) -> str:
    return name.partition(":")[2]


class SimLedger(Ledger):
    """The real ledger on the model: only its client and its scripts are ours."""

    def __init__(self, redis: SimRedis) -> None:
        """One shard."""
        self.partitions = 1
        self._client = cast("Redis", SimClient(redis))
        self._scripts = cast("Scripts", SimScripts(redis))
