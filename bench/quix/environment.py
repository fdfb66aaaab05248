"""The environment that Quix Streams runs in, made on demand from a lock with hashes.

Promise: nothing of it is ever installed into the product's own environment; it lies in a folder
that git ignores, and is made anew when its lock has changed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.machine import ROOT

FOLDER: Final = ROOT / ".cache" / "bench-quix"
LOCK: Final = Path(__file__).parent / "requirements.txt"
_INSTALL_WITHIN_S: Final = 600
_NAMES: Final = ("quixstreams", "confluent-kafka", "pydantic")


def python() -> str:
    """Return the interpreter of the environment, which is made first if it has to be."""
    interpreter = FOLDER / "bin" / "python"
    stamp = FOLDER / "locked"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        _run(sys.executable, "-m", "venv", "--clear", "--without-pip", str(FOLDER))
        uv = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(interpreter))
        _run(*uv, "--require-hashes", "-r", str(LOCK))
        stamp.write_text(wanted, encoding="utf-8")
    return str(interpreter)


def versions(interpreter: str) -> dict[str, str]:
    """Return the versions of what differs there from the product's own."""
    code = f"from importlib.metadata import version\nfor name in {_NAMES!r}: print(version(name))"
    found = subprocess.run([interpreter, "-c", code], capture_output=True, check=True, text=True)
    return {f"quix: {name}": each for name, each in zip(_NAMES, found.stdout.split(), strict=True)}


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=_INSTALL_WITHIN_S)
