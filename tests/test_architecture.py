"""The rules of the house that no linter knows: size, promises, clock, environment, leftovers."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("schemas", "connectors", "streams", "responders", "careline")
MAX_LINES = 400
MODULES = sorted(
    path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")
)
PURE = ("schemas", "careline/domain")
CLOCKS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "monotonic"),
}
# Only the settings read the environment, so that one page can list all there is to set.
READS_ENVIRONMENT = {Path("careline/settings.py")}
LEFTOVERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")


def parsed(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), filename=str(module))


def attributes(module: Path) -> set[tuple[str, str]]:
    """Every `name.attribute` of the module, such as `datetime.now` or `os.environ`."""
    return {
        (node.value.id if isinstance(node.value, ast.Name) else node.value.attr, node.attr)
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute)
    }


def imported(module: Path) -> set[tuple[str, str]]:
    """Every `from name import attribute` of the module."""
    return {
        (node.module or "", alias.name)
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_is_one_screenful_of_thought(module: Path) -> None:
    lines = len((ROOT / module).read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{module} has {lines} lines: split it by what changes together"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_says_what_it_promises(module: Path) -> None:
    promise = ast.get_docstring(parsed(module))
    assert promise, f"{module} has no docstring"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_only_the_settings_read_the_environment(module: Path) -> None:
    found = (attributes(module) | imported(module)) & {("os", "environ"), ("os", "getenv")}
    assert not found or module in READS_ENVIRONMENT, f"{module} reads the environment: {found}"


@pytest.mark.parametrize(
    "module", [each for each in MODULES if each.as_posix().startswith(PURE)], ids=str
)
def test_what_is_pure_reads_no_clock_and_awaits_nothing(module: Path) -> None:
    clocks = (attributes(module) | imported(module)) & CLOCKS
    assert not clocks, f"{module} reads a clock: {clocks}; `now` is an argument"
    awaiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not [node for node in ast.walk(parsed(module)) if isinstance(node, awaiting)]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_nothing_is_left_for_later(module: Path) -> None:
    text = (ROOT / module).read_text(encoding="utf-8")
    found = [line for line in text.splitlines() if LEFTOVERS.search(line)]
    assert not found, f"{module}: {found}"


def test_every_room_is_typed_for_its_users() -> None:
    assert [package for package in PACKAGES if not (ROOT / package / "py.typed").exists()] == []
