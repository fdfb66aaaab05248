"""Plays a file of real support posts into the stand-in X, at a chosen speed.

Promise: every line becomes exactly one item on the network: a customer's post a mention of its one
brand, a brand's own post a reply on its timeline, a malformed line a garbage item in a page. It
stays at most `ahead` mentions in front of what some client has read.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import aiohttp

from careline.sandbox.common.wire import Json, dumps
from careline.sandbox.stream_files import HANDLE, Malformed, Stream, StreamPost, read_stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import TracebackType

MAX_SPEED = "max"
GAP_MAX_S = 5.0
RAW_MAX = 4_000


class FeederStalledError(RuntimeError):
    """Nobody reads what was fed: the connector is not polling this account, or not at all."""


@dataclass(slots=True)
class Fed:
    """What a feeder put in, by kind of line, and which id stands for which line's id."""

    lines: int = 0
    customers: int = 0
    own: int = 0
    malformed: int = 0
    seconds: float = 0.0
    refused: list[Json] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPlan:
    """How a stream is played."""

    speed: float | None = None
    """Arrivals per unit of recorded time; None plays as fast as `ahead` allows."""
    ahead: int = 2000
    batch: int = 200
    stall_s: float = 120.0
    restamp: bool = False
    """Give posts the time of feeding instead of the recorded one."""
    turn: Callable[[], Awaitable[None]] | None = None
    """Awaited before each piece: whoever plays the stream may hold it back."""


class Feeder:
    """Plays one stream through the control API."""

    def __init__(self, control_url: str, stream: Stream, plan: FeedPlan | None = None) -> None:
        """Prepare; nothing is fed yet."""
        self.stream = stream
        self.plan = plan or FeedPlan()
        self.fed = Fed()
        self._control = control_url
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600))

    async def __aenter__(self) -> Self:
        """Use the connection to the control API."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        await self._http.close()

    async def furnish(self) -> list[Json]:
        """Make the brand accounts of the stream; give them with their credentials."""
        accounts = [{"username": name, "brand": True} for name in self.stream.brands]
        body = await self._post("/sandbox/x/accounts", dumps({"accounts": accounts}))
        return list(body["accounts"])

    async def run(self) -> Fed:
        """Play the whole stream; `fed` grows meanwhile."""
        started = time.monotonic()
        await self.furnish()
        for pause, batch in self._batches():
            if pause:
                await asyncio.sleep(pause)
            await self._wait_for_readers(len(batch))
            if self.plan.turn is not None:
                await self.plan.turn()
            await self._feed(batch)
        self.fed.seconds = time.monotonic() - started
        return self.fed

    def _batches(self) -> Iterator[tuple[float, list[StreamPost | Malformed]]]:
        """Cut the stream into pieces that are due together, each with the pause before it."""
        batch: list[StreamPost | Malformed] = []
        pause, last = 0.0, None
        for item in in_order(self.stream):
            gap = 0.0
            if self.plan.speed is not None and isinstance(item, StreamPost):
                passed = 0.0 if last is None else (item.at - last).total_seconds()
                gap, last = min(passed / self.plan.speed, GAP_MAX_S), item.at
            if batch and (gap > 0 or len(batch) >= min(self.plan.batch, self.plan.ahead)):
                yield pause, batch
                batch, pause = [], gap
            batch.append(item)
        if batch:
            yield pause, batch

    async def _wait_for_readers(self, coming: int) -> None:
        below = max(self.plan.ahead - coming, 0) + 1
        last, since = -1, time.monotonic()
        patience = min(5.0, self.plan.stall_s)
        while True:
            body = await self._get(f"/sandbox/x/backlog?below={below}&timeout={patience}")
            if body["backlog"] < below:
                return
            if body["served"] != last:
                last, since = body["served"], time.monotonic()
            elif time.monotonic() - since > self.plan.stall_s:
                message = f"{body['backlog']} posts wait, none was read for {self.plan.stall_s} s"
                raise FeederStalledError(message)

    async def _feed(self, batch: list[StreamPost | Malformed]) -> None:
        now = datetime.now(UTC) if self.plan.restamp else None
        lines = [as_line(item, self.stream.brands, now) for item in batch]
        body = "\n".join(dumps(line) for line in lines)
        answer = await self._post("/sandbox/x/posts", body, kind="application/x-ndjson")
        self.fed.refused += answer["errors"]
        for item, post_id in zip(batch, answer["ids"], strict=True):
            self.fed.lines += 1
            if post_id is None:
                continue
            if isinstance(item, Malformed):
                self.fed.malformed += 1
                self.fed.ids[f"line-{item.line}"] = post_id
                continue
            self.fed.customers += item.inbound
            self.fed.own += not item.inbound
            self.fed.ids[item.id] = post_id

    async def _post(self, path: str, body: str, *, kind: str = "application/json") -> Json:
        headers = {"Content-Type": kind}
        async with self._http.post(
            self._control + path, data=body.encode("ascii"), headers=headers
        ) as response:
            answer: Json = await response.json()
            return answer

    async def _get(self, path: str) -> Json:
        async with self._http.get(self._control + path) as response:
            answer: Json = await response.json()
            return answer


def in_order(stream: Stream) -> Iterator[StreamPost | Malformed]:
    """Give posts in playing order, each malformed line after the line it stood behind."""
    waiting: dict[int, list[Malformed]] = {}
    known = {post.line for post in stream.posts}
    for item in sorted(stream.malformed, key=lambda item: item.line):
        behind = item.line - 1
        while behind and behind not in known:
            behind -= 1
        waiting.setdefault(behind, []).append(item)
    yield from waiting.get(0, [])
    for post in stream.posts:
        yield post
        yield from waiting.get(post.line, [])


def as_line(item: StreamPost | Malformed, brands: list[str], now: datetime | None) -> Json:
    """Spell one item for the control API."""
    if isinstance(item, Malformed):
        broken = {"malformed": item.raw[:RAW_MAX], "line": item.line}
        account = brands[0] if brands else "brand"
        return {"kind": "garbage", "account": account, "item": broken, "ref": f"line-{item.line}"}
    created = now or item.created_at or item.at
    line: Json = {
        "ref": item.id,
        "author": item.author if not item.author.isdigit() else f"u{item.author}",
        "text": item.text,
        "mentions": [item.brand] if item.inbound else [],
        "created_at": f"{created:%Y-%m-%dT%H:%M:%S}.{created.microsecond // 1000:03d}Z",
    }
    if item.parent:
        line["in_reply_to_ref"] = item.parent
        named = next(iter(HANDLE.findall(item.text)), "").lower()
        spelled = {brand.lower(): brand for brand in brands}
        if item.inbound and named in spelled:
            line["in_reply_to_author"] = spelled[named]
    if item.root != item.id:
        line["conversation_ref"] = item.root
    return line


def speed_of(text: str) -> float | None:
    """Read `--speed`: a factor, or `max`."""
    return None if text == MAX_SPEED else float(text)


def main() -> None:
    """Play a file from the command line and print what was fed as JSON."""
    parser = argparse.ArgumentParser(prog="python -m careline.sandbox.feeder", description=__doc__)
    parser.add_argument("--control", required=True, help="control_url of the sandbox")
    parser.add_argument("--stream", required=True, type=Path, help="file of posts")
    parser.add_argument("--speed", default=MAX_SPEED, help="1, 60, ... or max")
    parser.add_argument("--ahead", type=int, default=2000)
    parser.add_argument("--limit", type=int, default=0, help="only the first N posts")
    parser.add_argument("--restamp", action="store_true")
    options = parser.parse_args()
    stream = read_stream(options.stream)
    if options.limit:
        stream = stream.first(options.limit)
    plan = FeedPlan(speed=speed_of(options.speed), ahead=options.ahead, restamp=options.restamp)
    sys.stdout.write(dumps(asdict(asyncio.run(_play(options.control, stream, plan)))) + "\n")


async def _play(control: str, stream: Stream, plan: FeedPlan) -> Fed:
    async with Feeder(control, stream, plan) as feeder:
        return await feeder.run()


if __name__ == "__main__":
    main()
