"""Runs `careline` inside the test's own process: what a process of its own costs is saved.

Promise: the same command line as a person's (`careline.cli.main`), its exit code and its output; a
command that needs a loop of its own runs in a thread beside the test's.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from careline.cli import main
from tests.support.command import Ran


class Here:
    """A shell in a folder, with settings."""

    def __init__(
        self, folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self._patch = patch
        self._capsys = capsys
        patch.chdir(folder)
        patch.setenv("COLUMNS", "100")
        patch.setenv("TERM", "dumb")

    def set(self, **variables: str) -> None:
        """Set variables, without their prefix."""
        for name, value in variables.items():
            self._patch.setenv(f"CARELINE_{name}", value)

    def run(self, *arguments: str) -> Ran:
        """Run a command."""
        self._capsys.readouterr()
        code: object = 0
        try:
            main([*arguments])
        except SystemExit as end:
            code = end.code
        out, err = self._capsys.readouterr()
        return Ran(code if isinstance(code, int) else 1, out, err)

    async def beside(self, *arguments: str) -> Ran:
        """Run a command beside what the test's own loop does."""
        return await asyncio.to_thread(self.run, *arguments)
