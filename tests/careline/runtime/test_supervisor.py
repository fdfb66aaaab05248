"""Roles are restarted when they die, end together, and say why when they cannot run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from careline.runtime.errors import ConfigurationError
from careline.runtime.supervisor import Role, Supervisor
from tests.support.processes import gone

STAY = "import time\nprint('up', flush=True)\ntime.sleep(600)"
DEAF = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('up', flush=True)\ntime.sleep(600)"
)
WRONG = "import sys\nprint('careline: no token → set one', file=sys.stderr)\nsys.exit(2)"


def role(name: str, code: str) -> Role:
    return Role(name=name, argv=("-c", code), environment=dict(os.environ))


async def until(true: Callable[[], bool], within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.02)


async def test_a_role_that_is_killed_starts_again_and_another_is_left_alone() -> None:
    said: list[tuple[str, str]] = []
    roles = [role("one", STAY), role("two", STAY)]
    async with Supervisor(roles, on_line=lambda *line: said.append(line)) as supervisor:
        await until(lambda: said.count(("one", "up")) == said.count(("two", "up")) == 1)
        first = dict(supervisor.pids)
        assert supervisor.kill("one") == first["one"]
        await until(lambda: said.count(("one", "up")) == 2)
        assert supervisor.pids["two"] == first["two"]
        assert supervisor.pids["one"] != first["one"]
        assert supervisor.starts == {"one": 2, "two": 1}
        assert any(name == "one" and "SIGKILL" in line for name, line in said)


async def test_all_roles_end_with_the_supervisor() -> None:
    up: list[str] = []
    roles = [role("one", STAY), role("two", STAY)]
    async with Supervisor(roles, on_line=lambda name, _: up.append(name)) as supervisor:
        await until(lambda: sorted(up) == ["one", "two"])
        pids = supervisor.pids
    assert supervisor.pids == {}
    for pid in pids.values():
        await gone(pid)


async def test_a_role_that_does_not_hear_sigterm_is_killed_after_the_bound() -> None:
    up: list[str] = []
    supervisor = Supervisor(
        [role("deaf", DEAF)], on_line=lambda _, line: up.append(line), stop_within=0.5
    )
    async with supervisor:
        await until(lambda: "up" in up)
        pid = supervisor.pids["deaf"]
        assert await supervisor.stop() == ("deaf",)
    await gone(pid)


async def test_a_role_that_is_set_up_wrongly_ends_it_with_its_own_words() -> None:
    roles = [role("wrong", WRONG), role("one", STAY)]
    async with Supervisor(roles, on_line=lambda *_: None) as supervisor:
        with pytest.raises(ConfigurationError, match="no token") as error:
            await asyncio.wait_for(supervisor.failed(), timeout=30)
        assert error.value.hint == "set one"
        assert supervisor.starts["wrong"] == 1


async def test_a_role_that_ran_well_and_finds_a_peer_away_when_it_starts_again_is_tried_again(
    tmp_path: Path,
) -> None:
    """What it needs did not answer: that looks like a wrong setting, and ends nobody else."""
    ends = tmp_path / "ends"
    ends.write_text("1 2 2")
    code = (
        f"import pathlib, sys\nends = pathlib.Path({str(ends)!r})\n"
        "code, *rest = ends.read_text().split() or [None]\nends.write_text(' '.join(rest))\n"
        f"if code: sys.exit(int(code))\n{STAY}"
    )
    said: list[tuple[str, str]] = []
    roles = [role("one", code), role("two", STAY)]
    async with Supervisor(
        roles, on_line=lambda *line: said.append(line), well_after=0.0
    ) as supervisor:
        await until(lambda: ("one", "up") in said)
        assert supervisor.starts == {"one": 4, "two": 1}
        assert [line for name, line in said if name == "one"][1].startswith(
            "ended with exit code 2; starts again"
        )


async def test_only_a_role_whose_work_is_done_may_end() -> None:
    said: list[tuple[str, str]] = []
    once = Role(name="once", argv=("-c", ""), environment=dict(os.environ), may_end=True)
    roles = [once, role("ever", "")]
    async with Supervisor(roles, on_line=lambda *line: said.append(line)) as supervisor:
        await until(lambda: supervisor.starts["ever"] >= 2)
        await until(lambda: ("once", "has done its work") in said)
        assert supervisor.starts["once"] == 1


async def test_lines_without_end_do_not_stop_a_role() -> None:
    said: list[str] = []
    code = f"print('x' * 1_000_000)\n{STAY}"
    async with Supervisor([role("loud", code)], on_line=lambda _, line: said.append(line)):
        await until(lambda: "up" in said)
