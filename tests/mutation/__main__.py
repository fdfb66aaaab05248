"""Changes the rules of the heart in small ways, one at a time, and counts what its tests notice.

Promises: works on copies, nothing of the project is touched; the same code and tests give the same
mutants and verdicts (hypothesis is seeded). It runs in an environment of its own, because mutmut
and Faust want different versions of click.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.mutation.scoring import enough, scores_of, together

ROOT: Final = Path(__file__).parents[2]
MUTATED: Final = (
    "calendars", "sla", "pauses", "targeting", "steps", "ladder", "draft", "decide",
    "decide_commands", "decide_mentions", "decide_outcomes", "evolve", "evolve_targets",
)  # fmt: skip
"""The SLA clock, the ladder and the state machine."""
FLOOR: Final = 90.0
COPIED: Final = (
    "careline/__init__.py", "careline/domain", "schemas", "tests/__init__.py",
    "tests/support/__init__.py", "tests/support/stories.py", "tests/support/facts.py",
    "tests/support/ladders.py", "tests/support/pauses.py", "tests/careline/domain",
)  # fmt: skip
LEFT_OUT: Final = ("test_properties.py", "test_state_machine.py")
"""They notice much, but take seconds each: what only they notice counts as missed."""
CONFIG: Final = """\
[tool.mutmut]
source_paths = ["careline/domain"]
only_mutate = [{mutated}]
also_copy = ["careline", "schemas", "tests"]
pytest_add_cli_args_test_selection = ["tests/careline/domain"]
pytest_add_cli_args = ["-x", "-p", "no:randomly", "--hypothesis-seed=1"]
use_git_change_detection = false

[tool.pytest]
strict = true
pythonpath = ["."]
addopts = ["--import-mode=importlib"]
asyncio_default_fixture_loop_scope = "function"
timeout = "60"
"""


def prepare(folder: Path, modules: list[str]) -> None:
    """Copy what is mutated and what it is tested with."""
    ignored = shutil.ignore_patterns("__pycache__", *LEFT_OUT)
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copyfile(source, target)
    mutated = ", ".join(f'"careline/domain/{module}.py"' for module in modules)
    config = CONFIG.format(mutated=mutated)
    (folder / "pyproject.toml").write_text(config, encoding="utf-8")


def mutmut(folder: Path, *args: str) -> str:
    """Run mutmut in the copy and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *args],
        cwd=folder,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def main() -> int:
    """Print score and survivors; 1 if too few mutants were noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", default=MUTATED, help="such as: ladder steps")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--floor", type=float, default=FLOOR, help="of a hundred, by module")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        folder = Path(name)
        prepare(folder, list(told.modules))
        mutmut(folder, "run", "--max-children", str(told.jobs))
        scores = scores_of(mutmut(folder, "results", "--all", "true").splitlines())
        for score in scores.values():
            for survivor in score.missed:
                print(mutmut(folder, "show", survivor))
    for module, score in sorted(scores.items()):
        print(f"{module:18} {score.noticed:4} of {score.total:4}  {score.share:5.1f} %")
    whole = together(scores.values())
    print(f"{'together':18} {whole.noticed:4} of {whole.total:4}  {whole.share:5.1f} %")
    for module in sorted(set(told.modules) - set(scores)):
        print(f"{module:18} not measured: no mutant of it came back")
    return 0 if enough(scores, told.modules, floor=told.floor) else 1


if __name__ == "__main__":
    sys.exit(main())
