"""Runs `careline` as a person would: a process of its own, with nothing but what is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OWN = ("CARELINE_", "PYTHONPATH")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line of an error."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert len(lines) == 1, f"not one line: {self.err}"
        return lines[0]


def careline(*arguments: str, cwd: Path, timeout: float = 60.0, **variables: str) -> Ran:
    """Run a command in a folder; `variables` are settings without their prefix."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
    environment |= {f"CARELINE_{name}": value for name, value in variables.items()}
    environment |= {"COLUMNS": "100", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", "careline", *arguments],
        capture_output=True,
        cwd=cwd,
        env=environment,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
