"""The README is short and true: its commands exist, its links lead somewhere, its figures hold."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
MOST_LINES = 200


def shell_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    inline = re.findall(r"`((?:\.venv/bin/)?careline [^`]+|make [^`]+)`", README)
    return [line for block in blocks for line in block.splitlines() if line.strip()] + inline


def targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", text, flags=re.MULTILINE))


def careline_commands() -> list[str]:
    found = set()
    for line in shell_lines():
        words = shlex.split(line)
        if words[0].endswith("careline"):
            deep = words[1] in ("topics", "ledger", "case")
            found.add(" ".join(words[1 : 3 if deep else 2]))
    return sorted(found)


def test_readme_is_a_page_and_not_a_book() -> None:
    assert len(README.splitlines()) < MOST_LINES


def test_the_two_commands_stand_in_the_readme() -> None:
    assert "make demo" in shell_lines()
    assert "make test" in shell_lines()


def test_every_make_target_of_the_readme_exists() -> None:
    named = [shlex.split(line)[1] for line in shell_lines() if line.startswith("make ")]
    assert named
    assert set(named) <= targets()


@pytest.mark.parametrize("command", careline_commands())
def test_every_careline_command_of_the_readme_exists(command: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "careline", *command.split(), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "Usage" in run.stdout


def test_every_option_of_the_readme_exists() -> None:
    for line in shell_lines():
        words = shlex.split(line)
        options = [word for word in words if word.startswith("--")]
        if not words[0].endswith("careline") or not options:
            continue
        run = subprocess.run(
            [sys.executable, "-m", "careline", words[1], "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert [option for option in options if option not in run.stdout] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_file_that_the_map_names_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:connectors|streams|responders|careline|schemas)/[\w./-]+)`", text)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
