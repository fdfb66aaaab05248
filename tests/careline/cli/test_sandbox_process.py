"""The stand-ins beside the roles: what went wrong with them is one line that says where to look."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from careline.cli.sandbox_process import Furniture, SandboxProcess
from careline.runtime.errors import ConfigurationError, Unavailable


async def test_a_sandbox_that_is_gone_is_said_to_be_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "sandbox.log"
    async with SandboxProcess(Furniture(brands=("acme",)), log=log) as sandbox:
        accounts = (await sandbox.get("x/accounts"))["accounts"]
        assert [each["username"] for each in accounts] == ["acme"]
        assert sandbox.pid is not None
        os.kill(sandbox.pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="does not answer") as away:
            await sandbox.get("x/accounts")
        assert str(log) in away.value.hint
    assert sandbox.pid is None


async def test_before_its_start_nobody_can_ask_it(tmp_path: Path) -> None:
    sandbox = SandboxProcess(Furniture(), log=tmp_path / "sandbox.log")
    with pytest.raises(ConfigurationError, match="not running"):
        await sandbox.get("summary")
