"""The ledger's real scripts under a clock that a test sets, and with counters if it asks for them.

Promise: nothing but the server's clock is replaced, by two keys; where the text that is replaced
has changed, this fails in place of testing something else.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

from redis.asyncio import Redis

from careline.ledger.scripts import NAMES, Scripts
from schemas.identity import shard_tag
from tests.simulation.lua_branches import counting

_TIME: Final = "local time = redis.call('TIME')"
_OUR_TIME: Final = (
    "local time = {redis.call('GET', tag .. ':sec'), redis.call('GET', tag .. ':usec')}"
)
_STAMP: Final = "redis.call('XADD', key('outbox'), '*',"
_OUR_STAMP: Final = (
    "redis.call('XADD', key('outbox'), text(math.floor(microseconds() / 1000)) .. '-*',"
)
CLOCK: Final = frozenset({"sec", "usec"})
"""The names of the two keys."""


class OurTime:
    """Microseconds as the test wants them."""

    def __init__(self) -> None:
        self.micros = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.micros

    async def set(self, client: Redis, shard: int) -> None:
        """Let a shard's scripts see this time."""
        tag = shard_tag(shard)
        seconds, micros = divmod(self.micros, 1_000_000)
        await client.mset({f"{tag}:sec": seconds, f"{tag}:usec": micros})


def with_our_clock(scripts: Scripts) -> None:
    """Give the scripts the clock that the test sets."""
    replaced = 0
    for name, source in scripts._sources.items():
        text = source.decode()
        replaced += _STAMP in text
        assert _TIME in text
        _put(scripts, name, _on_our_clock(text))
    assert replaced == 1


def with_counters(scripts: Scripts) -> list[str]:
    """Let the scripts count their branches too; return all that there are."""
    lua = files("careline.ledger") / "lua"
    prelude = (lua / "prelude.lua").read_text(encoding="utf-8")
    wanted: dict[str, None] = {}
    for name in NAMES:
        source = (lua / f"{name}.lua").read_text(encoding="utf-8")
        text, branches = counting(name, _on_our_clock(prelude), _on_our_clock(source))
        _put(scripts, name, text)
        wanted |= dict.fromkeys(branches)
    return list(wanted)


def _on_our_clock(text: str) -> str:
    return text.replace(_TIME, _OUR_TIME).replace(_STAMP, _OUR_STAMP)


def _put(scripts: Scripts, name: str, text: str) -> None:
    scripts._sources[name] = text.encode()
    scripts._shas[name] = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
