"""The owned shards are tidied in turn, a piece at a time; what fails for one holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import pytest

from careline.ledger.fence import Fence, Fenced, LedgerUnavailable
from careline.ledger.store import Ledger
from streams.housekeeping import Housekeeping
from streams.outbox import OutboxSender
from streams.shards import Shards

HEALTHY = Fence(n=7, recovering=False, value="7@abc", foreign=False)


@dataclass(frozen=True, slots=True)
class Piece:
    snapshots: int = 0
    finished: bool = False


class Work:
    """Tidies as it is told, and remembers."""

    def __init__(self, answer: Callable[[int], Piece]) -> None:
        self.answer = answer
        self.done: list[int] = []

    async def __call__(self, shard: int, fence: Fence) -> Piece:
        assert fence == HEALTHY
        self.done.append(shard)
        return self.answer(shard)


async def recovered(_: int) -> Fence:
    return HEALTHY


class Sent(OutboxSender):
    """Remembers whom it was to wake."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards, cast("object", None), every=1.0)  # type: ignore[arg-type]
        self.woken: list[int] = []

    def wake(self, shards: object) -> None:
        self.woken += cast("list[int]", shards)


async def a_house(
    work: Work, *, owned: tuple[int, ...] = (1, 4), every: float = 60.0, rest: float = 60.0
) -> tuple[Housekeeping, Shards, Sent]:
    """Return the loop over shards that are healthy."""

    class Known(Shards):
        async def _healthy(self, shard: int) -> Fence:
            return await recovered(shard)

    shards = Known(cast("Ledger", None), recovered)
    shards.own(owned)
    for shard in owned:
        await shards.ready(shard)
    sent = Sent(shards)
    return Housekeeping(shards, work, sent, every=every, rest=rest), shards, sent


async def test_each_owned_shard_gets_one_piece_and_then_its_pause() -> None:
    work = Work(lambda _: Piece())
    house, _, _ = await a_house(work)
    await house.look()
    await house.look()
    assert work.done == [1, 4]


async def test_a_piece_follows_the_other_until_the_round_is_done() -> None:
    answers = iter([Piece(), Piece(snapshots=3), Piece(finished=True)])
    work = Work(lambda _: next(answers))
    house, _, sent = await a_house(work, owned=(2,), every=0.0)
    for _ in range(6):
        await house.look()
    assert work.done == [2, 2, 2]
    assert sent.woken == [2], "snapshots stand in the outbox"


async def test_a_shard_without_a_healthy_fence_is_left_alone() -> None:
    work = Work(lambda _: Piece())
    house, shards, _ = await a_house(work)
    shards.forget(1)
    await house.look()
    assert work.done == [4]


@pytest.mark.parametrize(
    "error", [Fenced(1, ""), LedgerUnavailable("gone"), OSError("x"), ValueError("y")]
)
async def test_what_fails_for_one_shard_holds_up_no_other(error: Exception) -> None:
    def answer(shard: int) -> Piece:
        if shard == 1:
            raise error
        return Piece(finished=True)

    work = Work(answer)
    house, shards, _ = await a_house(work)
    await house.look()
    assert work.done == [1, 4]
    assert (shards.known(1) is None) is isinstance(error, Fenced)
    assert shards.known(4) == HEALTHY


async def test_the_loop_goes_on_until_it_is_cancelled() -> None:
    enough = asyncio.Event()

    def answer(_: int) -> Piece:
        if len(work.done) >= 6:
            enough.set()
        return Piece()

    work = Work(answer)
    house, _, _ = await a_house(work, every=0.01)
    loop = asyncio.create_task(house.run())
    async with asyncio.timeout(10):
        await enough.wait()
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert set(work.done) == {1, 4}
