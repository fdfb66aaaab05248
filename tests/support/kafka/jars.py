"""Gets the jars of Apache Kafka once, and trusts only those that are the committed ones.

`python -m tests.support.kafka.jars` (that is `make setup-kafka`) fetches them with Maven into a
folder of the user's cache, outside the work tree; later runs find them there. Nothing is used whose
sha256 is not in `SHA256SUMS`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
VERSION = "4.3.0"
_FETCH_TIMEOUT_S = 600
_FETCH_TRIES = 3


def cache() -> Path:
    """Where the jars are kept between runs."""
    chosen = os.environ.get("CARELINE_TEST_KAFKA_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "careline" / f"kafka-{VERSION}"


def committed() -> dict[str, str]:
    """The file names and sha256 sums that this repository vouches for."""
    lines = (HERE / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def problems(folder: Path) -> list[str]:
    """What keeps the jars in `folder` from being used; empty if they are the committed ones."""
    wanted = committed()
    present = {
        jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.glob("*.jar")
    }
    return [
        *(f"{name} is missing" for name in sorted(wanted.keys() - present.keys())),
        *(
            f"{name} is not one of the committed jars"
            for name in sorted(present.keys() - wanted.keys())
        ),
        *(
            f"{name} has another sha256"
            for name in sorted(wanted)
            if present.get(name, wanted[name]) != wanted[name]
        ),
    ]


def missing_tool() -> str | None:
    """Why a broker cannot run here, or None."""
    if shutil.which("java") is None:
        return "java is missing (on Debian: apt-get install default-jre-headless)"
    found = problems(cache())
    return f"the jars of Kafka are not ready ({found[0]}): run make setup-kafka" if found else None


def fetch(target: Path) -> None:
    """Have Maven copy the jars to a new folder, check them there, then put them in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        new = Path(folder) / "jars"
        for attempt in range(1, _FETCH_TRIES + 1):
            done = subprocess.run(
                [
                    "mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies",
                    "-DincludeScope=runtime", f"-DoutputDirectory={new}",
                ],
                check=False,
                timeout=_FETCH_TIMEOUT_S,
            )  # fmt: skip
            if done.returncode == 0:
                break
            if attempt == _FETCH_TRIES:
                raise SystemExit(
                    f"setup-kafka: Maven failed {attempt} times, last with code {done.returncode}"
                )
        if found := problems(new):
            raise SystemExit("setup-kafka: refused, " + "; ".join(found))
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)


def main() -> int:
    """Make the jars ready; say what was done."""
    target = cache()
    if not problems(target):
        print(f"Apache Kafka {VERSION}: {len(committed())} jars ready in {target}")
        return 0
    if shutil.which("mvn") is None:
        print("setup-kafka: mvn is missing (on Debian: apt-get install maven)", file=sys.stderr)
        return 2
    fetch(target)
    print(f"Apache Kafka {VERSION}: {len(committed())} jars fetched and checked in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
