"""Each dependency has its reason, and each lock is of today and names no download address."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAME = re.compile(r"^[A-Za-z0-9._-]+")
ROW = re.compile(r"^\| ([a-z0-9-]+) \| (.+) \|$", re.MULTILINE)


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = [
        *project["dependency-groups"].values(),
        *project["project"]["optional-dependencies"].values(),
    ]
    lines = [*project["project"]["dependencies"], *(line for group in groups for line in group)]
    found = (NAME.match(line) for line in lines if isinstance(line, str))
    return {match.group().lower() for match in found if match}


def test_every_dependency_has_one_line_of_reason_and_nothing_else_has() -> None:
    reasons = dict(ROW.findall((ROOT / "docs/dependencies.md").read_text("utf-8")))
    reasons.pop("package")
    assert reasons.keys() == declared()
    assert all(len(reason) > 15 for reason in reasons.values())


def test_the_locks_are_of_this_project_file() -> None:
    done = subprocess.run(
        [sys.executable, "requirements/lock.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_locked_package_has_a_hash() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        entries = re.split(r"\n(?=[a-z0-9])", lock.read_text("utf-8").split("\n", 1)[1])
        assert entries, lock
        assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
