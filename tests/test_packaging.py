"""What is installed is what was meant: five top-level names, and a command that runs anywhere."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"schemas", "connectors", "streams", "responders", "careline"}

pytestmark = pytest.mark.slow


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a user gets it, built from a copy without what the tools left behind."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in [*sorted(OURS), "pyproject.toml", "README.md", "LICENSE"]:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name)
        else:
            shutil.copy(ROOT / name, source / name)
    command = ["-m", "uv", "build", "--quiet", "--wheel", "--no-build-isolation", "-o", str(folder)]
    run(sys.executable, *command, "--python", sys.executable, cwd=source)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_our_five_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == OURS
    assert {f"{package}/py.typed" for package in OURS} <= set(names)
    shipped = {name for name in names if name.endswith(".py")}
    expected = {
        path.relative_to(ROOT).as_posix() for each in OURS for path in (ROOT / each).rglob("*.py")
    }
    assert shipped == expected


def test_the_command_runs_from_a_clean_environment_outside_the_checkout(
    wheel: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "venv"
    run(sys.executable, "-m", "uv", "venv", "-q", "-p", sys.executable, str(environment), cwd=ROOT)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python)]
    run(
        *install, "--require-hashes", "-r", str(ROOT / "requirements" / "runtime.txt"), cwd=tmp_path
    )
    run(*install, "--no-deps", str(wheel), cwd=tmp_path)

    printed = run(str(environment / "bin" / "careline"), "version", cwd=tmp_path)

    assert importlib.metadata.version("careline") in printed
    where = run(str(python), "-c", "import schemas; print(schemas.__file__)", cwd=tmp_path)
    assert where.startswith(str(environment))


def test_no_other_distribution_owns_our_names() -> None:
    owners = importlib.metadata.packages_distributions()
    assert {name: set(owners.get(name, [])) - {"careline"} for name in OURS} == {
        name: set() for name in OURS
    }
