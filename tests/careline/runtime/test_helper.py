"""Somebody's slow or broken code costs time, never the event loop and never the next call."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from careline.runtime.helper import Ended, Helper, Raised
from tests.support.odd_objects import Odd, cannot_be_made


@pytest.fixture
async def helper() -> AsyncIterator[Helper]:
    helper = Helper("odd", Odd)
    yield helper
    await helper.close()


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_call_returns_what_the_method_does_in_another_process(helper: Helper) -> None:
    assert await helper.call("add", 40, 2, within=10) == 42
    assert await helper.call("pid", within=10) != os.getpid()


async def test_a_failure_is_told_by_its_kind_and_never_in_its_words(helper: Helper) -> None:
    with pytest.raises(Raised) as raised:
        await helper.call("fail", "what a customer said", within=10)
    assert str(raised.value) == "ValueError"
    assert await helper.call("add", 1, 1, within=10) == 2


async def test_a_hang_is_killed_after_its_budget_and_the_next_call_goes_through(
    helper: Helper,
) -> None:
    hanging = await helper.call("pid", within=10)
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match="odd took more than"):
        await helper.call("sleep", 3600.0, within=0.1)
    assert time.monotonic() - begun < 10
    assert helper.hung == 1
    assert not runs(hanging)
    assert await helper.call("add", 2, 3, within=10) == 5


async def test_a_process_that_dies_costs_one_call(helper: Helper) -> None:
    with pytest.raises(Ended):
        await helper.call("die", within=10)
    assert await helper.call("echo", "again", within=10) == "again"


async def test_the_loop_runs_on_meanwhile_and_a_second_caller_waits_for_its_turn(
    helper: Helper,
) -> None:
    await helper.start()
    slow = asyncio.create_task(helper.call("sleep", 0.3, within=10))
    await asyncio.sleep(0.05)
    assert not slow.done()
    assert await helper.call("echo", "second", within=10) == "second"
    assert slow.done()


async def test_an_answer_of_a_cancelled_call_is_not_given_to_the_next(helper: Helper) -> None:
    await helper.start()
    call = asyncio.create_task(helper.call("echo", "first" * 1000, within=10))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await helper.call("echo", "next", within=10) == "next"


@pytest.mark.parametrize("text", ["", "x" * 5_000_000, "lone \ud800 surrogate", "\0\u202e"])
async def test_any_text_comes_and_goes(helper: Helper, text: str) -> None:
    assert await helper.call("echo", text, within=30) == text


async def test_what_a_library_prints_does_not_stand_between_answers(helper: Helper) -> None:
    assert await helper.call("chatter", within=10) == "the answer"
    assert await helper.call("add", 1, 2, within=10) == 3


async def test_what_cannot_be_made_says_so_each_time() -> None:
    helper = Helper("odd", cannot_be_made)
    for _ in range(2):
        with pytest.raises(Raised, match="FileNotFoundError"):
            await helper.start()
    await helper.close()


async def test_it_ends_with_its_starter_however_that_went() -> None:
    code = (
        "import asyncio, sys\n"
        "from careline.runtime.helper import Helper\n"
        "from tests.support.odd_objects import Odd\n"
        "async def main():\n"
        "    helper = Helper('odd', Odd)\n"
        "    print(await helper.call('pid', within=30), flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert starter.stdout is not None
        pid = int(await starter.stdout.readline())
        assert runs(pid)
    finally:
        starter.send_signal(signal.SIGKILL)
        await starter.wait()
    deadline = time.monotonic() + 10
    while runs(pid) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert not runs(pid)
