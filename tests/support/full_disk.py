"""A small disk of a test's own (a tmpfs), that can be filled to its last byte and emptied again.

Promise: it is gone when the context is left; where mounting is not allowed the test is skipped.
"""

from __future__ import annotations

import contextlib
import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

_CHUNK: Final = b"\0" * 65536


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """Where it is mounted."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self, *, but: int = 0) -> None:
        """Leave so many bytes free, and none else."""
        with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            while file.write(_CHUNK) == len(_CHUNK):
                pass
        if but:
            with self._ballast.open("r+b") as file:
                file.truncate(max(0, self._ballast.stat().st_size - but))

    def free(self) -> None:
        """Make space."""
        self._ballast.unlink(missing_ok=True)

    @property
    def is_full(self) -> bool:
        """Whether not one page can be written any more."""
        probe = self.folder / "probe"
        try:
            probe.write_bytes(_CHUNK)
        except OSError as error:
            return error.errno == errno.ENOSPC
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()
        return False


@contextmanager
def small_disk(folder: Path, *, mib: int) -> Iterator[SmallDisk]:
    """Mount it. Skips the test where that is not allowed."""
    folder.mkdir(parents=True)
    options = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(options, capture_output=True, check=False, timeout=10)
    except OSError as error:
        pytest.skip(f"no small disk can be mounted here: {type(error).__name__}")
    if done.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, timeout=10)
