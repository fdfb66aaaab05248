"""Where Kafka is and how one is let in: the one value that every Kafka client is given.

Promise: a plain string is a list of servers without TLS, as on this machine. A password is never
shown: not by `str`, not by `repr`, not in an error.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka.helpers import create_ssl_context
from pydantic import SecretStr

from careline.runtime.errors import ConfigurationError

PLAIN_TEXT: Final = "PLAINTEXT"


@dataclass(frozen=True, slots=True)
class Brokers:
    """Bootstrap servers, and the arguments with which aiokafka's clients connect to them."""

    servers: str
    """HOST:PORT, several with commas."""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """TLS and SASL."""

    def __str__(self) -> str:
        """Where they are, for a person."""
        return self.servers


Where = str | Brokers
"""What the clients take: `Brokers`, or servers that need nothing more."""


def client_options(where: Where, **more: object) -> dict[str, Any]:
    """Return the arguments of an aiokafka client."""
    brokers = where if isinstance(where, Brokers) else Brokers(where)
    return {**brokers.options, "bootstrap_servers": brokers.servers, **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """How one is let in: a protocol of Kafka's, and what it needs."""

    protocol: str = PLAIN_TEXT
    mechanism: str = "PLAIN"
    username: str = ""
    password: SecretStr | None = None
    ca_file: Path | None = None
    """Whom to trust; without it, whom the system trusts."""
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def files(self) -> tuple[Path | None, Path | None, Path | None]:
        """The PEM files, where they are set."""
        return self.ca_file, self.cert_file, self.key_file


def no_answer_hint(where: Where) -> str:
    """Say what to do when nobody answers; aiokafka says the same of a door that stays shut."""
    if isinstance(where, Brokers) and where.options:
        return (
            "start it, or correct CARELINE_KAFKA__BOOTSTRAP_SERVERS, its SECURITY_PROTOCOL, user, "
            "password or certificate"
        )
    return "start it, correct CARELINE_KAFKA__BOOTSTRAP_SERVERS, or try: careline demo"


def secured(servers: str, security: Security) -> Brokers:
    """Return brokers with their security. Raises ConfigurationError if a part of it is missing."""
    protocol, password = security.protocol, security.password
    options: dict[str, Any] = {}
    if protocol != PLAIN_TEXT:
        options["security_protocol"] = protocol
    if protocol.startswith("SASL"):
        if not security.username or password is None or not password.get_secret_value():
            name = "PASSWORD" if security.username else "USERNAME"
            raise ConfigurationError(
                f"kafka: {protocol} needs a user and a password",
                hint=f"set CARELINE_KAFKA__SASL_{name}",
            )
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": password.get_secret_value(),
        }
    if protocol.endswith("SSL"):
        options["ssl_context"] = _context(*security.files)
    elif any(security.files):
        raise ConfigurationError(
            f"kafka: certificates are set, but {protocol} uses none",
            hint="set CARELINE_KAFKA__SECURITY_PROTOCOL to SSL or SASL_SSL",
        )
    return Brokers(servers, options)


def _context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    for file in (ca_file, cert_file, key_file):
        if file is not None and not file.is_file():
            raise ConfigurationError(
                f"kafka: {file}: there is no such file",
                hint="correct CARELINE_KAFKA__SSL_CA_FILE, SSL_CERT_FILE or SSL_KEY_FILE",
            )
    try:
        context: ssl.SSLContext = create_ssl_context(
            cafile=ca_file and str(ca_file),
            certfile=cert_file and str(cert_file),
            keyfile=key_file and str(key_file),
        )
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(
            f"kafka: the certificates cannot be used ({type(error).__name__})",
            hint="they must be PEM files, and the key must belong to the certificate",
        ) from error
    return context
