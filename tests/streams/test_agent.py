"""The body of an agent is total: it leaves when its work is done, or the process leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from careline.runtime.errors import RetryableError
from careline.runtime.kafka import Record
from streams.agent import Body, Drain, waiting


def event(offset: int) -> Any:
    """What Faust hands over, as far as the body looks at it."""
    acked: list[int] = []
    return SimpleNamespace(
        acked=acked,
        ack=lambda: acked.append(offset),
        message=SimpleNamespace(
            topic="heard",
            partition=0,
            offset=offset,
            key=b"k",
            value=b"%d" % offset,
            headers=[("ce_id", b"1")],
            timestamp=1.5,
        ),
    )


class Left(BaseException):
    """Stands for the end of the process."""


def never(reason: str) -> None:
    raise AssertionError(f"must not leave: {reason}")


async def nothing(_record: Record, _reason: str) -> None:
    raise AssertionError("nothing is to be refused")


def a_body(work: Any, *, refuse: Any = nothing, drain: Drain | None = None) -> Body:
    return Body("test", work, refuse=refuse, drain=drain or Drain(30, leave=never))


async def test_a_cancellation_waits_until_the_work_is_done() -> None:
    gate, done = asyncio.Event(), []

    async def work(records: Sequence[Record]) -> None:
        await gate.wait()
        done.extend(record.offset for record in records)

    drain = Drain(30, leave=never)
    body = a_body(work, drain=drain)
    events = [event(1), event(2)]
    task = asyncio.create_task(body.finish(events[0], more=lambda: events[1:]))
    for _ in range(5):
        await asyncio.sleep(0.01)
        task.cancel()
    assert not task.done()
    assert [each.acked for each in events] == [[], []]
    assert drain.begun
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [1, 2]
    assert [each.acked for each in events] == [[1], [2]]
    assert body.busy_since is None
    assert body.finished == {("heard", 0): 2}
    drain.end()


async def test_the_process_leaves_when_the_budget_is_spent() -> None:
    left = threading.Event()

    async def work(_records: Sequence[Record]) -> None:
        await asyncio.sleep(60)

    body = a_body(work, drain=Drain(0.2, leave=lambda _reason: left.set()))
    held = event(1)
    task = asyncio.create_task(body.finish(held))
    await asyncio.sleep(0.01)
    task.cancel()
    assert await asyncio.to_thread(left.wait, 5)
    assert not task.done()
    assert held.acked == []
    for each in asyncio.all_tasks() - {asyncio.current_task()}:
        each.cancel()


async def test_work_that_is_cut_off_from_inside_ends_the_process() -> None:
    def leave(reason: str) -> None:
        raise Left(reason)

    async def work(_records: Sequence[Record]) -> None:
        await asyncio.sleep(60)

    body = a_body(work, drain=Drain(30, leave=leave))
    held = event(1)
    finishing = asyncio.ensure_future(body.finish(held))
    await asyncio.sleep(0.01)
    inner = next(each for each in asyncio.all_tasks() if each.get_name() == "test batch")
    inner.cancel()
    with pytest.raises(Left, match="cut off"):
        await finishing
    assert held.acked == []


@pytest.mark.parametrize("error", [RetryableError("later"), ConnectionResetError(), TimeoutError()])
async def test_what_may_go_through_later_is_tried_again_in_place(error: Exception) -> None:
    tries = 0

    async def work(_records: Sequence[Record]) -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise error

    await a_body(work).finish(event(1))
    assert tries == 4


async def test_a_record_that_fails_alone_is_refused_and_its_neighbours_go_on() -> None:
    done: list[int] = []
    refused: list[tuple[int, str]] = []

    async def work(records: Sequence[Record]) -> None:
        if any(record.offset == 3 for record in records):
            raise KeyError("a bug")
        done.extend(record.offset for record in records)

    async def refuse(record: Record, reason: str) -> None:
        if not refused:
            refused.append((-1, "first try fails"))
            raise RetryableError("later")
        refused.append((record.offset, reason))

    await a_body(work, refuse=refuse).finish(
        event(1), more=lambda: [event(offset) for offset in range(2, 6)]
    )
    assert done == [1, 2, 4, 5]
    assert refused[1:] == [(3, "unprocessable")]


async def test_a_record_carries_what_kafka_gave() -> None:
    seen: list[Record] = []

    async def work(records: Sequence[Record]) -> None:
        seen.extend(records)

    await a_body(work).finish(event(9))
    assert seen == [
        Record(
            topic="heard",
            partition=0,
            offset=9,
            key=b"k",
            value=b"9",
            headers=(("ce_id", b"1"),),
            timestamp_ms=1500,
        )
    ]


class Queue:
    """A channel's queue with what Faust put there."""

    def __init__(self, events: list[Any]) -> None:
        self._events = events

    def qsize(self) -> int:
        return len(self._events)

    def get_nowait(self) -> Any:
        found = self._events.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def a_stream(events: list[Any], *, active: bool = True) -> Any:
    tracked: list[int] = []
    app = SimpleNamespace(
        consumer_generation_id=2,
        flow_control=SimpleNamespace(is_active=lambda: active),
        consumer=SimpleNamespace(track_message=lambda message: tracked.append(message.offset)),
    )
    return SimpleNamespace(app=app, channel=SimpleNamespace(queue=Queue(events)), tracked=tracked)


def of_generation(offset: int, generation: int) -> Any:
    found = event(offset)
    found.message.generation_id = generation
    found.message.tracked = False
    return found


def test_what_waits_is_taken_in_order_up_to_the_size_of_a_batch() -> None:
    stream = a_stream([of_generation(offset, 2) for offset in range(5)])
    assert [each.message.offset for each in waiting(stream, 3)] == [0, 1, 2]
    assert stream.tracked == [0, 1, 2]
    assert [each.message.offset for each in waiting(stream, 3)] == [3, 4]
    assert waiting(stream, 3) == []


def test_what_was_fetched_before_a_rebalance_is_neither_worked_on_nor_acknowledged() -> None:
    stale = of_generation(1, 1)
    stream = a_stream([stale, of_generation(2, 2)])
    assert [each.message.offset for each in waiting(stream, 9)] == [2]
    assert stale.acked == []
    assert waiting(a_stream([of_generation(1, 2)], active=False), 9) == []


def test_an_error_in_the_channel_does_not_cost_what_is_in_hand() -> None:
    stream = a_stream([of_generation(1, 2), ValueError("thrown in"), of_generation(2, 2)])
    assert [each.message.offset for each in waiting(stream, 9)] == [1]
    assert [each.message.offset for each in waiting(stream, 9)] == [2]
