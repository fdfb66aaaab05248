"""The ledger's Lua scripts, as package data, and how they are called.

Promises: a script that the server has forgotten (SCRIPT FLUSH, restart, failover) is loaded again
and called again, which is safe because NOSCRIPT means that nothing ran; every other failure is
translated by what the caller should do, and never retried here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import (
    ClusterDownError,
    NoScriptError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from careline.ledger.fence import LedgerUnavailable, ScriptFailed
from careline.runtime.redis import look_again
from schemas.identity import shard_tag

Arg = str | bytes | int
Reply = list[Any]

NAMES: Final = (
    "attempt",
    "commit",
    "drop_sent",
    "due",
    "effects",
    "fence",
    "forget",
    "hold",
    "mark_unknown",
    "now",
    "outbox",
    "overdue",
    "prune",
    "read",
    "refresh_done",
    "seed",
    "set_epoch",
    "swap",
    "texts",
    "trim",
    "wipe",
)
_PACKED: Final = frozenset({"commit", "read", "swap"})
"""Scripts of thousands of arguments: they get their lengths and one string, which costs the client
and the server a fifth of as many arguments."""
FAILURES: Final = (RedisError, RedisClusterException, OSError)
"""What a call to the server may raise: a cluster's own errors are no `RedisError`."""
_GONE: Final = (RedisConnectionError, RedisTimeoutError, RedisClusterException, ClusterDownError)
_PASSING: Final = ("MISCONF", "NOREPLICAS", "BUSY", "UNKILLABLE")
"""Beginnings of error answers that go away by themselves or by an operator: wait, do not judge.

Those for which the client has a class of its own (OOM, READONLY, LOADING, MASTERDOWN, CLUSTERDOWN,
MOVED, NOPERM and more) lose their beginning there; none of them is about the arguments.
"""


def _source(name: str) -> bytes:
    lua = files("careline.ledger") / "lua"
    return (lua / "prelude.lua").read_bytes() + (lua / f"{name}.lua").read_bytes()


class Scripts:
    """All scripts of the ledger on one client."""

    def __init__(self, client: Redis) -> None:
        """Read the sources; nothing is sent yet."""
        self._client = client
        self._sources = {name: _source(name) for name in NAMES}
        self._shas = {
            name: hashlib.sha1(source, usedforsecurity=False).hexdigest()
            for name, source in self._sources.items()
        }

    async def run(self, name: str, shard: int, *args: Arg) -> Reply:
        """Call a script on a shard. Raises ``LedgerUnavailable`` or ``ScriptFailed``."""
        answer = (await self.run_many(name, {shard: args}))[shard]
        if isinstance(answer, ScriptFailed):
            raise answer
        return answer

    async def run_many(
        self, name: str, calls: Mapping[int, Sequence[Arg]]
    ) -> dict[int, Reply | ScriptFailed]:
        """Call a script on several shards in one round trip; a shard's failure is its answer.

        Raises ``LedgerUnavailable``: what happened is unknown.
        """
        answers = await self._pipelined(name, calls)
        forgotten = [shard for shard, found in answers.items() if isinstance(found, NoScriptError)]
        if forgotten:
            await self._load(name)
            answers |= await self._pipelined(name, {shard: calls[shard] for shard in forgotten})
        return {shard: _judged(name, found) for shard, found in answers.items()}

    async def _pipelined(self, name: str, calls: Mapping[int, Sequence[Arg]]) -> dict[int, object]:
        pipeline = self._client.pipeline(transaction=False)
        for shard, args in calls.items():
            found = packed(args) if name in _PACKED else args
            # As a raw command, for a cluster's pipeline has no other way; the key names the node.
            pipeline.execute_command("EVALSHA", self._shas[name], 1, shard_tag(shard), *found)
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except FAILURES as error:
            await look_again(self._client)
            raise unavailable(error) from error
        if any(isinstance(answer, _GONE) for answer in answers):
            await look_again(self._client)
        return dict(zip(calls, answers, strict=True))

    async def _load(self, name: str) -> None:
        try:
            await self._client.script_load(self._sources[name])
        except FAILURES as error:
            raise unavailable(error) from error


def packed(args: Sequence[Arg]) -> tuple[bytes, bytes]:
    """Return the lengths of arguments, and all of them in one string."""
    parts = [
        arg if isinstance(arg, bytes) else arg.encode() if isinstance(arg, str) else b"%d" % arg
        for arg in args
    ]
    return ",".join([str(len(part)) for part in parts]).encode(), b"".join(parts)


def unavailable(error: Exception) -> LedgerUnavailable:
    """Return our error for a failure that says nothing about the arguments."""
    return LedgerUnavailable(
        f"the ledger does not answer ({type(error).__name__})",
        hint="is Redis running, and has it room and rights?",
    )


def _judged(name: str, answer: object) -> Reply | ScriptFailed:
    if isinstance(answer, list):
        return answer
    if type(answer) is ResponseError and not str(answer).startswith(_PASSING):
        # The server quotes arguments in its messages: they may hold a customer's words.
        return ScriptFailed(f"{name} failed in the ledger ({type(answer).__name__})")
    if isinstance(answer, Exception):
        raise unavailable(answer) from answer
    return ScriptFailed(f"{name} answered {type(answer).__name__}")
