"""Writes the hashed locks from pyproject.toml, and tells offline whether they are up to date.

`make lock` runs it; `make check` runs it with `--check`. The locks hold names, versions and hashes,
and no address to download from: where packages come from is the affair of whoever installs them.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parent / "pyproject.toml"
MARK = "# inputs: sha256:"
COMPILE = [
    *("pip", "compile", "--quiet", "--no-config", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-header", "--no-emit-index-url", "--no-emit-find-links"),
]
# lock → what it is made from, besides pyproject.toml's own dependencies
LOCKS = {
    "runtime.txt": [str(PROJECT)],
    # The same versions as at run time, or the tests would test something else.
    "dev.txt": [str(PROJECT), "--group", "dev", "--constraints", str(HERE / "runtime.txt")],
    # What `make model` needs besides; the run-time packages in the same versions.
    "training.txt": [
        *(str(PROJECT), "--group", f"{PROJECT}:training"),
        *("--constraints", str(HERE / "runtime.txt")),
    ],
    # What `make mutation` needs: the heart's own packages, and a click that Faust does not take.
    "mutation.txt": ["--group", f"{PROJECT}:mutation"],
    # What the image is built with, and does not hold.
    "build.txt": ["--group", f"{PROJECT}:build", "--constraints", str(HERE / "dev.txt")],
    "uv.txt": [str(HERE / "uv.in")],
}


def inputs() -> str:
    """The fingerprint of everything in the project that decides what is locked."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    deciding = {
        "requires-python": project["project"]["requires-python"],
        "dependencies": project["project"]["dependencies"],
        "groups": project["dependency-groups"],
        "uv": (HERE / "uv.in").read_text(encoding="utf-8"),
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def write(*, upgrade: bool) -> None:
    """Resolve again; versions already locked stay unless `upgrade` is asked for."""
    mark = f"{MARK}{inputs()}\n"
    for name, sources in LOCKS.items():
        lock = HERE / name
        more = ["--upgrade"] if upgrade else []
        subprocess.run(
            [sys.executable, "-m", "uv", *COMPILE, *more, *sources, "-o", str(lock)], check=True
        )
        lock.write_text(
            mark + lock.read_text(encoding="utf-8").removeprefix(mark), encoding="utf-8"
        )


def stale() -> list[str]:
    """The locks that were not made from the pyproject.toml of today, or that name an address."""
    mark = f"{MARK}{inputs()}"
    found: list[str] = []
    for name in LOCKS:
        text = (HERE / name).read_text(encoding="utf-8")
        if text.split("\n", 1)[0] != mark:
            found.append(f"requirements/{name} is not of this pyproject.toml: run make lock")
        if "://" in text or "--index" in text:
            found.append(f"requirements/{name} names an address to download from")
    return found


def main(argv: list[str]) -> int:
    """Write the locks, or check them."""
    if "--check" not in argv:
        write(upgrade="--upgrade" in argv)
        return 0
    problems = stale()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
