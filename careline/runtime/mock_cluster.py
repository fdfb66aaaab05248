"""librdkafka's in-process Kafka cluster, by ctypes on the confluent-kafka wheel's library.

Promise: speaks the real Kafka protocol on loopback ports with topics of a chosen number of
partitions, and injects faults no real broker offers. It keeps nothing: about 5 MB a partition in
memory, oldest records dropped first. It lives and dies with its process; `embedded_kafka` runs it
in a child. Not for production, and not for tests that need a log to rebuild from.
"""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PRODUCER = 0  # rd_kafka_type_t: the cluster needs some client handle for its book-keeping
_ERROR_TEXT_BYTES = 512
# Members of a group that start together are to join in one round, and a demo is not to wait for the
# default 3 s.
_INITIAL_REBALANCE_DELAY_MS = 300


class MockClusterError(Exception):
    """librdkafka refused to make the cluster or to carry out a command."""


def library_path() -> Path:
    """Where the confluent-kafka wheel put its librdkafka."""
    spec = find_spec("confluent_kafka")
    if spec is None or spec.origin is None:
        raise MockClusterError("the package confluent-kafka is not installed")
    package = Path(spec.origin).parent
    patterns = (
        (package.parent / "confluent_kafka.libs", "librdkafka*.so*"),
        (package / ".dylibs", "librdkafka*.dylib"),
        (package.parent / "confluent_kafka.libs", "librdkafka*.dll"),
    )
    for folder, pattern in patterns:
        for found in sorted(folder.glob(pattern)):
            return found
    raise MockClusterError(
        "confluent-kafka carries no librdkafka (built from source?): install its wheel"
    )


def _load() -> ctypes.CDLL:
    # Importing the package first loads the libraries that librdkafka itself depends on, from the
    # wheel's own folder.
    import confluent_kafka  # noqa: F401, PLC0415 - only the child process pays for it

    lib = ctypes.CDLL(str(library_path()))
    pointer, text, int32, result = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int
    signatures: dict[str, tuple[object, list[object]]] = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (result, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [ctypes.c_int, pointer, text, ctypes.c_size_t]),
        "rd_kafka_err2str": (text, [ctypes.c_int]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, ctypes.c_int]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, int32]),
        "rd_kafka_mock_topic_create": (result, [pointer, text, ctypes.c_int, ctypes.c_int]),
        "rd_kafka_mock_push_request_errors_array": (
            None,
            [pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)],
        ),
        "rd_kafka_mock_clear_request_errors": (None, [pointer, ctypes.c_int16]),
        "rd_kafka_mock_broker_set_down": (result, [pointer, int32]),
        "rd_kafka_mock_broker_set_up": (result, [pointer, int32]),
        "rd_kafka_mock_broker_set_rtt": (result, [pointer, int32, ctypes.c_int]),
        "rd_kafka_mock_partition_set_leader": (result, [pointer, text, int32, int32]),
    }
    for name, (restype, argtypes) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = restype, argtypes
    return lib


class MockCluster:
    """One cluster of `brokers` brokers with ids from 1. Broker id -1 means all of them."""

    def __init__(self, brokers: int = 1) -> None:
        """Open the cluster on free loopback ports."""
        self._lib = _load()
        self._brokers = brokers
        conf = self._lib.rd_kafka_conf_new()
        error = ctypes.create_string_buffer(_ERROR_TEXT_BYTES)
        # Every injected fault would otherwise be reported on stderr by the book-keeping client.
        self._lib.rd_kafka_conf_set(conf, b"log_level", b"0", error, _ERROR_TEXT_BYTES)
        handle = self._lib.rd_kafka_new(_PRODUCER, conf, error, _ERROR_TEXT_BYTES)
        if not handle:
            raise MockClusterError(f"rd_kafka_new: {error.value.decode(errors='replace')}")
        self._cluster = self._lib.rd_kafka_mock_cluster_new(handle, brokers)
        if not self._cluster:
            raise MockClusterError(f"librdkafka made no cluster of {brokers} brokers")
        self._lib.rd_kafka_mock_group_initial_rebalance_delay_ms(
            self._cluster, _INITIAL_REBALANCE_DELAY_MS
        )

    @property
    def bootstrap(self) -> str:
        """The comma-separated `host:port` list of the brokers."""
        addresses: bytes = self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return addresses.decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic; librdkafka's brokers do not implement the protocol's CreateTopics."""
        code = self._lib.rd_kafka_mock_topic_create(
            self._cluster, name.encode(), partitions, self._brokers
        )
        self._check(code, f"create topic {name}")

    def push_errors(self, api_key: int, codes: Sequence[int]) -> None:
        """Answer the next requests of an API with these error codes; -195 cuts the connection."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._lib.rd_kafka_mock_push_request_errors_array(self._cluster, api_key, len(codes), array)

    def clear_errors(self, api_key: int) -> None:
        """Forget what `push_errors` left for this API."""
        self._lib.rd_kafka_mock_clear_request_errors(self._cluster, api_key)

    def broker_down(self, broker: int) -> None:
        """Cut the broker's connections and refuse new ones; its records stay."""
        self._check(
            self._lib.rd_kafka_mock_broker_set_down(self._cluster, broker), f"broker {broker} down"
        )

    def broker_up(self, broker: int) -> None:
        """Let the broker accept connections again."""
        self._check(
            self._lib.rd_kafka_mock_broker_set_up(self._cluster, broker), f"broker {broker} up"
        )

    def set_rtt(self, broker: int, milliseconds: int) -> None:
        """Delay each answer of the broker."""
        code = self._lib.rd_kafka_mock_broker_set_rtt(self._cluster, broker, milliseconds)
        self._check(code, f"broker {broker} rtt")

    def move_leader(self, topic: str, partition: int, broker: int) -> None:
        """Make `broker` the leader of a partition; -1 leaves it without one."""
        code = self._lib.rd_kafka_mock_partition_set_leader(
            self._cluster, topic.encode(), partition, broker
        )
        self._check(code, f"move leader of {topic}[{partition}] to {broker}")

    def _check(self, code: int, what: str) -> None:
        if code != 0:
            reason: bytes = self._lib.rd_kafka_err2str(code)
            raise MockClusterError(f"{what}: {reason.decode(errors='replace')}")
