"""A real Apache Kafka with a second door: TLS, and a user with a password.

Promise: the certificate is made anew for each broker and trusted by nobody else; both doors lead
to the same topics.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from careline.runtime.tether import free_port
from tests.support.kafka.server import KafkaServer

USER = "careline"
PASSWORD = "only-for-this-test"
_STORE = "changeit"


@dataclass(frozen=True, slots=True)
class SecureDoor:
    """Where it is, and whom to trust."""

    bootstrap: str
    ca_file: Path

    def settings(self, **more: str) -> dict[str, str]:
        """What careline is told of it, without their prefix."""
        return {
            "KAFKA__BOOTSTRAP_SERVERS": self.bootstrap,
            "KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA__SASL_USERNAME": USER,
            "KAFKA__SASL_PASSWORD": PASSWORD,
            "KAFKA__SSL_CA_FILE": str(self.ca_file),
        } | more


@contextmanager
def secure_kafka(folder: Path) -> Iterator[SecureDoor]:
    """Start a broker, and end it."""
    store, certificate = folder / "broker.p12", folder / "broker.pem"
    _keytool(
        *("-genkeypair", "-keyalg", "EC", "-dname", "CN=127.0.0.1", "-validity", "2"),
        *("-ext", "san=ip:127.0.0.1", "-storetype", "PKCS12", "-keystore", str(store)),
    )
    _keytool("-exportcert", "-rfc", "-keystore", str(store), "-file", str(certificate))
    port = free_port()
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
    with KafkaServer(
        doors={"SECURE": port},
        extra={
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL"
            ),
            "listener.name.secure.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.secure.plain.sasl.jaas.config": (
                f'{plain} required user_{USER}="{PASSWORD}";'
            ),
            "listener.name.secure.ssl.keystore.location": str(store),
            "listener.name.secure.ssl.keystore.password": _STORE,
            "listener.name.secure.ssl.keystore.type": "PKCS12",
        },
    ):
        yield SecureDoor(f"127.0.0.1:{port}", certificate)


def _keytool(*arguments: str) -> None:
    subprocess.run(
        ["keytool", "-noprompt", "-alias", "broker", "-storepass", _STORE, *arguments],
        check=True,
        capture_output=True,
        timeout=60,
    )
