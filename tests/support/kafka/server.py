"""One real Apache Kafka broker (KRaft, loopback) that can be killed and brought back.

Promise: `restart()` after `kill()` comes back on the same port with the same data; leaving the
context ends the process and removes the data. Blocking calls on purpose: tests, and the bench, use
it as a plain context manager.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from careline.runtime.tether import free_port, tethered
from tests.support.kafka import jars

_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
_POLL_S = 0.1
_LOG_TAIL = 4000


class KafkaServer:
    """A single-node Apache Kafka; `extra` adds or replaces lines of server.properties.

    `doors` are more listeners: name → port; `extra` says how they are secured.
    """

    def __init__(
        self, extra: dict[str, str] | None = None, *, doors: dict[str, int] | None = None
    ) -> None:
        """Choose ports and a data folder; nothing is started yet."""
        self._home = Path(tempfile.mkdtemp(prefix="careline-kafka-"))
        self._port, self._controller_port = free_port(), free_port()
        self._extra = dict(extra or {})
        self._doors = dict(doors or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """The bootstrap server; the same after a restart."""
        return f"127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        """Whether the broker's process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The broker's own process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    def __enter__(self) -> Self:
        """Format the storage and start the broker."""
        try:
            self._format()
            self._launch()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the broker and remove its data."""
        self.close()

    def kill(self) -> None:
        """SIGKILL, as when the machine's power goes."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def restart(self) -> None:
        """Bring the broker back with its data; a running one is stopped in good order first."""
        self._stop()
        self._launch()

    def damage(self, *wounds: tuple[str, int, bytes, bytes]) -> None:
        """Change bytes of partitions on disk, as bad sectors do, and start again.

        A wound is a topic, a partition, the bytes that stand there, and as many others.
        """
        self._stop()
        for topic, partition, old, new in wounds:
            (log,) = (self._home / "data" / f"{topic}-{partition}").glob("*.log")
            held = log.read_bytes()
            if len(old) != len(new) or held.count(old) != 1:
                raise ValueError(f"{old!r} stands {held.count(old)} times in {topic}[{partition}]")
            log.write_bytes(held.replace(old, new))
        self._launch()

    def pause(self) -> None:
        """SIGSTOP: the broker keeps its connections and answers nothing."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """End the broker and remove its data. Closing twice is harmless."""
        self._stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def log(self) -> str:
        """The end of the broker's own log, for the report of a failed test."""
        file = self._home / "broker.log"
        return (
            file.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:] if file.exists() else ""
        )

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.communicate(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def _java(self, *arguments: str) -> list[str]:
        # Two cores are shared with everything under test; the default is a thread of each pool per
        # core and more.
        options = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-Dlog4j2.level=WARN"]
        return ["java", *options, "-cp", f"{jars.cache()}/*", *arguments]

    def _format(self) -> None:
        properties = self._home / "server.properties"
        properties.write_text(
            "".join(f"{key}={value}\n" for key, value in self._settings().items()), encoding="utf-8"
        )
        cluster_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
        done = subprocess.run(
            # The id may begin with a dash, which argparse4j would take for an option: hence `=`.
            self._java(
                "kafka.tools.StorageTool",
                "format",
                f"--cluster-id={cluster_id}",
                "-c",
                str(properties),
            ),
            capture_output=True,
            check=False,
            timeout=_READY_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise RuntimeError(
                f"Kafka's storage could not be formatted: {done.stderr.decode(errors='replace')}"
            )

    def _settings(self) -> dict[str, str]:
        more = [f"{name}://127.0.0.1:{port}" for name, port in self._doors.items()]
        listeners = ",".join([f"PLAINTEXT://{self.bootstrap}", *more])
        controller = f"CONTROLLER://127.0.0.1:{self._controller_port}"
        single_node = {
            f"{prefix}.{what}": "1"
            for prefix in ("transaction.state.log", "share.coordinator.state.topic")
            for what in ("replication.factor", "min.isr")
        }
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": f"{listeners},{controller}",
            "advertised.listeners": listeners,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            # A missing topic is to be an error, not a guess with one partition.
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "log.dirs": str(self._home / "data"),
            **single_node,
            **self._extra,
        }

    def _launch(self) -> None:
        with (self._home / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                tethered(self._java("kafka.Kafka", str(self._home / "server.properties"))),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while not self._answers():
            if not self.running:
                raise RuntimeError(f"Kafka ended at start:\n{self.log()}")
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"Kafka is not ready after {_READY_TIMEOUT_S:.0f} s:\n{self.log()}"
                )
            time.sleep(_POLL_S)

    def _answers(self) -> bool:
        client = AdminClient(
            {"bootstrap.servers": self.bootstrap, "log_level": "0", "socket.timeout.ms": "2000"}
        )
        with contextlib.suppress(KafkaException):
            return bool(client.list_topics(timeout=1.0).brokers)
        return False
