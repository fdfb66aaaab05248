"""Proof that a worker serves nobody: no socket of this process listens.

Promise: on Linux the kernel is asked, elsewhere Faust's own answer has to do (`streams.app.check`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from careline.runtime.errors import ConfigurationError

_LISTEN: Final = "0A"
_TABLES: Final = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_OWN: Final = Path("/proc/self/fd")


def listening_ports() -> tuple[int, ...]:
    """Return the TCP ports on which this process listens."""
    inodes = set()
    for descriptor in _OWN.iterdir() if _OWN.exists() else ():
        try:
            target = str(descriptor.readlink())
        except OSError:  # closed in the meantime
            continue
        if target.startswith("socket:["):
            inodes.add(target[len("socket:[") : -1])
    ports = []
    for table in _TABLES:
        if not table.exists():
            continue
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and fields[9] in inodes:
                ports.append(int(fields[1].rpartition(":")[2], 16))
    return tuple(sorted(ports))


def assert_nothing_listens() -> None:
    """Raise ConfigurationError if this process listens on a TCP port."""
    if ports := listening_ports():
        raise ConfigurationError(
            f"this worker listens on {', '.join(map(str, ports))}",
            hint="Faust's web server must be off (--without-web)",
        )
