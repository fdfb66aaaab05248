"""The faults of a round: one process killed, frozen or stopped; one peer away, forgetful or rude.

Promise: each fault is really done to a process, a file or a socket, and is over when `strike`
returns, except that a killed role is the supervisor's to start again. The moment of the blow is
told by `blow`, so that recovery is measured from there.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from careline.runtime.redis import connect
from tests.chaos.stand import Stand

Blow = Callable[[], None]
Strike = Callable[[Stand, Blow, random.Random], Awaitable[None]]
_POST: Final = "/api/chat.postMessage"
_SESSION_S: Final = 12.0
"""Longer than the session of a group: a frozen worker is a zombie when it wakes."""
_TAIL_BYTES: Final = 20_000
_PRODUCE: Final = 0
_REFUSALS: Final = (6, 19, 45)
"""Not the leader any more, too few replicas, out of order: what a producer may be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break something."""

    name: str
    strike: Strike
    role: str = ""
    """The role that must have been running for a while."""
    needs: str = ""
    """`embedded` or `real`: the only broker that can do this."""


async def _kill(role: str, stand: Stand, blow: Blow, _rng: random.Random) -> None:
    stand.signal(role, signal.SIGKILL)
    blow()


async def _term(role: str, stand: Stand, blow: Blow, _rng: random.Random) -> None:
    stand.signal(role, signal.SIGTERM)
    blow()


async def _freeze(role: str, seconds: float, stand: Stand, blow: Blow, _rng: random.Random) -> None:
    pid = stand.signal(role, signal.SIGSTOP)
    blow()
    with _thawed(pid):
        await asyncio.sleep(60.0 if stand.full else seconds)


async def _term_without_ledger(stand: Stand, blow: Blow, _rng: random.Random) -> None:
    """SIGTERM to the worker while the ledger answers nothing."""
    with _frozen_valkey(stand):
        await asyncio.sleep(0.5)
        stand.signal("worker", signal.SIGTERM)
        blow()
        await asyncio.sleep(9.0)


async def _kill_valkey(stand: Stand, blow: Blow, _rng: random.Random) -> None:
    await stand.valkey.kill()
    blow()
    await stand.start_valkey()


async def _term_valkey(stand: Stand, blow: Blow, _rng: random.Random) -> None:
    blow()
    await stand.valkey.restart()


async def _freeze_valkey(stand: Stand, blow: Blow, _rng: random.Random) -> None:
    with _frozen_valkey(stand):
        blow()
        await asyncio.sleep(30.0 if stand.full else 4.0)


async def _flush(stand: Stand, blow: Blow, _rng: random.Random) -> None:
    client = connect(stand.stage.settings.redis.url.get_secret_value())
    try:
        await client.flushall()
        blow()
    finally:
        await client.aclose()


async def _cut_tail(stand: Stand, blow: Blow, rng: random.Random) -> None:
    """Kill the server and tear off the end of its file at a random byte, as a power cut would."""
    await stand.valkey.kill()
    blow()
    tail = append_file(stand.valkey_files)
    size = tail.stat().st_size
    os.truncate(tail, size - rng.randint(1, min(_TAIL_BYTES, size // 2)))
    await stand.start_valkey()


async def _stale_copy(stand: Stand, blow: Blow, _rng: random.Random) -> None:
    """Have a copy that is some seconds old take the server's place, as a late replica would."""
    files = stand.valkey_files / "appendonlydir"
    copy = stand.valkey_files / "copy"
    shutil.copytree(files, copy)
    await asyncio.sleep(3.0)
    await stand.valkey.kill()
    blow()
    shutil.rmtree(files)
    copy.rename(files)
    await stand.start_valkey()


async def _cut_broker(stand: Stand, blow: Blow, _rng: random.Random) -> None:
    if stand.embedded is not None:
        await stand.embedded.broker_down()
        blow()
        await asyncio.sleep(40.0 if stand.full else 4.0)
        await stand.embedded.broker_up()
    if stand.broker is not None:
        await asyncio.to_thread(stand.broker.kill)
        blow()
        await asyncio.sleep(40.0 if stand.full else 4.0)
        await asyncio.to_thread(stand.broker.restart)


async def _freeze_broker(stand: Stand, blow: Blow, _rng: random.Random) -> None:
    if stand.broker is not None:
        stand.broker.pause()
        blow()
        try:
            await asyncio.sleep(40.0 if stand.full else 4.0)
        finally:
            stand.broker.resume()


async def _refuse_produce(stand: Stand, blow: Blow, rng: random.Random) -> None:
    if stand.embedded is not None:
        blow()
        for _ in range(5):
            await stand.embedded.push_errors(_PRODUCE, [rng.choice(_REFUSALS) for _ in range(3)])
            await asyncio.sleep(0.7)
        await stand.embedded.clear_errors(_PRODUCE)


async def _hostile(
    faults: tuple[Mapping[str, Any], ...], stand: Stand, blow: Blow, rng: random.Random
) -> None:
    for fault in faults:
        await stand.stage.sandbox.post("faults", {**fault, "seed": rng.randrange(10**6)})
    blow()
    try:
        await asyncio.sleep(30.0 if stand.full else 4.0)
    finally:
        await stand.stage.sandbox.delete("faults")


_LIMITS: Final = (
    {"server": "slack", "path": "/api/*", "kind": "rate_limit", "probability": 0.7},
    {"server": "x", "path": "/2/*", "kind": "rate_limit", "probability": 0.5},
)
_CUTS: Final = (
    {"server": "slack", "path": _POST, "kind": "cut", "probability": 0.5},
    {"server": "x", "path": "/2/tweets", "method": "POST", "kind": "cut", "probability": 0.5},
)
_ERRORS: Final = (
    {"server": "slack", "path": "/api/*", "kind": "server_error", "probability": 0.4},
    {"server": "x", "path": "/2/*", "kind": "server_error", "probability": 0.4},
    {"server": "slack", "path": _POST, "kind": "server_error", "accepted": True, "count": 3},
)
_SIGNALLED: Final = ("worker", "connector", "responder", "auditor")
FAULTS: Final[tuple[Fault, ...]] = (
    Fault(name="worker-kill", role="worker", strike=partial(_kill, "worker")),
    Fault(name="valkey-kill", strike=_kill_valkey),
    Fault(name="slack-cut", strike=partial(_hostile, _CUTS)),
    Fault(name="responder-kill", role="responder", strike=partial(_kill, "responder")),
    Fault(name="flushall", strike=_flush),
    Fault(name="broker-away", strike=_cut_broker),
    Fault(name="worker-freeze", strike=partial(_freeze, "worker", _SESSION_S)),
    Fault(name="connector-kill", role="connector", strike=partial(_kill, "connector")),
    Fault(name="valkey-tail-cut", strike=_cut_tail),
    Fault(name="slack-limits", strike=partial(_hostile, _LIMITS)),
    Fault(name="worker-term", role="worker", strike=partial(_term, "worker")),
    Fault(name="auditor-kill", role="auditor", strike=partial(_kill, "auditor")),
    Fault(name="valkey-stale-copy", strike=_stale_copy),
    Fault(name="responder-freeze", strike=partial(_freeze, "responder", 4.0)),
    Fault(name="refused-produces", strike=_refuse_produce, needs="embedded"),
    Fault(name="broker-freeze", strike=_freeze_broker, needs="real"),
    Fault(name="worker-term-without-ledger", role="worker", strike=_term_without_ledger),
    Fault(name="slack-errors", strike=partial(_hostile, _ERRORS)),
    Fault(name="valkey-freeze", strike=_freeze_valkey),
    Fault(name="connector-freeze", strike=partial(_freeze, "connector", 4.0)),
    Fault(name="responder-term", role="responder", strike=partial(_term, "responder")),
    Fault(name="valkey-term", strike=_term_valkey),
    Fault(name="connector-term", role="connector", strike=partial(_term, "connector")),
    Fault(name="auditor-freeze", strike=partial(_freeze, "auditor", 2.0)),
    Fault(name="auditor-term", role="auditor", strike=partial(_term, "auditor")),
)


def by_turns(names: tuple[str, ...], *, real_kafka: bool) -> Iterator[Fault]:
    """Yield the faults one after the other, for ever; only those named, if any are."""
    possible = [
        fault
        for fault in FAULTS
        if fault.needs in {"", "real" if real_kafka else "embedded"}
        and (not names or fault.name in names)
    ]
    while possible:
        yield from possible


def append_file(folder: Path) -> Path:
    """Return the file to whose end a Valkey writes."""
    (found,) = (folder / "appendonlydir").glob("*.incr.aof")
    return found


@contextmanager
def _thawed(pid: int) -> Iterator[None]:
    """See to it that a frozen process goes on, if it still is there."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def _frozen_valkey(stand: Stand) -> Iterator[None]:
    pid = stand.valkey.pid
    if pid is None:
        raise RuntimeError("Valkey does not run")
    os.kill(pid, signal.SIGSTOP)
    with _thawed(pid):
        yield
