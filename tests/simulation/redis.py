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

_TAKES_TIME = 0.25
"""The share of calls that take some time even while all is well."""


class SimRedis:
    """The server of the one shard, and who still speaks to which copy of it."""

    def __init__(self, world: World) -> None:
        """Start the first server, empty."""
        self.world = world
        self.skew = 0
        self.down = False
        self.trouble = 0.0
        self.dice: random.Random = world.dice("redis")
        self._runs = 0
        self.server = self._new()
        self.old: ShardModel | None = None
        self.cut_off: frozenset[str] = frozenset()
        """Hosts that still speak to the old server."""
        self.behind: dict[str, Callable[[Host], None]] = {}
        """Script → called once: it has just run, and its host has no answer yet."""
        self.slow = 1
        """How many times as long as usual every call takes."""
        self.crowded: Callable[[], bool] = lambda: False
        """Whether two take themselves for the owner, so that their calls may come in between."""

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

    def at_once(self) -> bool:
        """Say whether a call is answered before anything else can happen.

        Most are while all is well: it is half a millisecond in which nobody else does anything.
        """
        return not (
            self.trouble
            or self.slow > 1
            or self.down
            or self.old is not None
            or self.behind
            or self.crowded()
            or self.dice.random() < _TAKES_TIME
        )


class _Asked(Waiting[Any]):
    """Waits for an answer of the server, or an error that tells nothing."""

    __slots__ = ("_args", "_call", "_fate", "_redis", "_script", "_there")

    def __init__(self, redis: SimRedis, script: str, call: Callable[..., Any], *args: Any) -> None:
        dice = redis.dice
        self._redis, self._script = redis, script
        self._call, self._args = call, args
        self._there = (60 + int(dice.random() * 840)) * redis.slow
        self._fate = dice.random()

    def begin(self, process: Process) -> None:
        self._redis.world.after(self._there, self._arrive, process)

    def _arrive(self, process: Process) -> None:
        redis, script = self._redis, self._script
        dice = redis.dice
        if redis.down:
            process.resume(error=LedgerUnavailable("the server is down"))
            return
        if self._fate < redis.trouble:
            if dice.random() < 0.5:
                self._call(redis.of(process.host), *self._args)
            process.later(dice.randint(0, 900_000), error=LedgerUnavailable("no answer"))
            return
        answer = self._call(redis.of(process.host), *self._args)
        if script in redis.behind:
            redis.behind.pop(script)(process.host)
        if dice.random() < 0.85:
            process.resume(answer)
        else:
            process.later(60 + int(dice.random() * 30_000), answer)


class SimScripts:
    """What the ledger needs of `careline.ledger.scripts.Scripts`."""

    def __init__(self, redis: SimRedis) -> None:
        """Call this server."""
        self._redis = redis

    async def run(self, name: str, _: int, *args: Arg) -> Reply:
        """Call a script."""
        redis = self._redis
        if redis.at_once():
            return redis.server.run(name, args)
        answer: Reply = await _Asked(redis, name, ShardModel.run, name, args)
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

    async def hget(self, name: str, field: str) -> bytes | None:
        """HGET."""
        redis = self._redis
        if redis.at_once():
            return redis.server.get(_bare(name), field.encode())
        found: bytes | None = await _Asked(redis, "", ShardModel.get, _bare(name), field.encode())
        return found

    def hgetall(self, name: str) -> Awaitable[dict[bytes, bytes]]:
        """HGETALL."""
        return self._ask(lambda server: dict(server.hashes.get(_bare(name), {})))

    def get(self, name: str) -> Awaitable[bytes | None]:
        """GET."""
        return self._ask(lambda server: server.strings.get(_bare(name)))

    def xlen(self, _: str) -> Awaitable[int]:
        """XLEN."""
        return self._ask(lambda server: len(server.outbox or ()))

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

        return self._ask(call)

    def _ask(self, call: Callable[[ShardModel], Any]) -> Waiting[Any]:
        return _Asked(self._redis, "", call)


def _bare(name: str) -> str:
    return name.partition(":")[2]


class SimLedger(Ledger):
    """The real ledger on the model: only its client and its scripts are ours."""

    def __init__(self, redis: SimRedis) -> None:
        """One shard."""
        self.partitions = 1
        self._client = cast("Redis", SimClient(redis))
        self._scripts = cast("Scripts", SimScripts(redis))
