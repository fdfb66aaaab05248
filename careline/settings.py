"""The only reader of the environment: what one process needs to reach its peers, and its secrets.

Promise: every setting has a type, a default or a clear error that names its variable, and secrets
are never shown: they come from `CARELINE_…` variables (nested by `__`, such as
`CARELINE_KAFKA__BOOTSTRAP_SERVERS`) or from files of that name in `CARELINE_SECRETS_DIR`. What
belongs to the brand, not to the machine, stands in careline.yaml (`careline.config`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from yarl import URL

from careline.ledger.auditing.clocktime import time_of
from careline.runtime.brokers import Brokers, Security, secured
from careline.runtime.errors import ConfigurationError
from careline.runtime.outbound import checked_url
from careline.triage.backends.endpoint import EndpointConfig
from schemas.topics import DEFAULT_PARTITIONS

PREFIX: Final = "CARELINE_"
SECRETS_DIR: Final = f"{PREFIX}SECRETS_DIR"
_NOT_SETTINGS: Final = ("CARELINE_TEST_",)
"""Beginnings of variables that belong to the tests."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(_Part):
    """Where Kafka is, and how many partitions every topic has."""

    bootstrap_servers: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str = ""
    sasl_password: SecretStr | None = None
    ssl_ca_file: Path | None = None
    """Whom to trust, where it is not whom the system trusts; PEM."""
    ssl_cert_file: Path | None = None
    """What this client shows, where brokers ask for it; PEM."""
    ssl_key_file: Path | None = None
    partitions: int = Field(default=DEFAULT_PARTITIONS, ge=1, le=1000)
    """Chosen once, before the first start: the partition is the shard."""
    session_seconds: float = Field(default=10.0, ge=2, le=60)
    """After so much silence a worker counts as dead, and its shards go to another."""

    @property
    def brokers(self) -> Brokers:
        """What every client of Kafka is given. Raises ConfigurationError."""
        security = Security(
            protocol=self.security_protocol,
            mechanism=self.sasl_mechanism,
            username=self.sasl_username,
            password=self.sasl_password,
            ca_file=self.ssl_ca_file,
            cert_file=self.ssl_cert_file,
            key_file=self.ssl_key_file,
        )
        return secured(self.bootstrap_servers, security)


class RedisSettings(_Part):
    """Where the ledger's Redis or Valkey is."""

    url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: SecretStr) -> SecretStr:
        if URL(value.get_secret_value()).scheme not in {"redis", "rediss", "unix"}:
            message = "must begin with redis://, rediss:// or unix://"
            raise ValueError(message)
        return value


class SlackSettings(_Part):
    """The Slack app's tokens, and where Slack is."""

    bot_token: SecretStr | None = None
    app_token: SecretStr | None = None
    base_url: str = "https://slack.com/api/"
    paced: bool = True
    """Keep Slack's rate limits. Off only against the sandbox."""
    landing_seconds: float = Field(default=30.0, ge=0)
    """How long after its request a message may still appear; a search for it waits so long."""


class XAccountSettings(_Part):
    """What acts for one brand account on X: OAuth 1.0a access tokens of the app."""

    access_token: SecretStr
    access_token_secret: SecretStr


class XSettings(_Part):
    """Where X is, how often it is asked, the app's keys and what acts for each account."""

    base_url: str = "https://api.twitter.com"
    bearer_token: SecretStr | None = None
    consumer_key: SecretStr | None = None
    consumer_secret: SecretStr | None = None
    access_token: SecretStr | None = None
    """For the only account, where careline.yaml names one; several stand in `accounts`."""
    access_token_secret: SecretStr | None = None
    accounts: Mapping[str, XAccountSettings] = Field(default_factory=dict)
    """By lower-case handle, such as `CARELINE_X__ACCOUNTS__ACME__ACCESS_TOKEN`; or the whole as
    JSON."""
    poll_min_seconds: float = Field(default=5.0, gt=0)
    """Between two readings while messages come."""
    poll_max_seconds: float = Field(default=60.0, gt=0)
    """Between two readings when it is quiet."""
    direct_message_poll_min_seconds: float = Field(default=65.0, gt=0)
    """The same for direct messages, of which X allows 15 readings in 15 minutes."""
    direct_message_poll_max_seconds: float = Field(default=120.0, gt=0)
    watch_every_seconds: float = Field(default=300.0, gt=0)
    """How often recent mentions are looked up again for edits and deletes."""
    landing_seconds: float = Field(default=30.0, ge=0)
    """How long after its request a reply may still appear; a search for it waits so long."""
    reply_unsettled_seconds: float = Field(default=900.0, gt=0)
    """How long a reply of unknown outcome is searched for before a person is asked."""
    direct_messages: bool = True
    """Read and answer direct messages too."""
    since: AwareDatetime | None = None
    """Hear what was posted since then on the first connect; by default no history is opened."""

    @field_validator("accounts")
    @classmethod
    def _lower(cls, value: Mapping[str, XAccountSettings]) -> Mapping[str, XAccountSettings]:
        return {name.lower(): keys for name, keys in value.items()}


class ReplaySettings(_Part):
    """What the replay connector plays."""

    file: Path | None = None
    speed: str = "max"
    limit: int | None = Field(default=None, ge=1)
    columns: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("speed")
    @classmethod
    def _is_speed(cls, value: str) -> str:
        speed_of(value)
        return value


class AuditorSettings(_Part):
    """How often the auditor looks, and whom it tells beside Slack."""

    every_seconds: float = Field(default=20.0, gt=0)
    """Between two rounds."""
    heartbeat_url: SecretStr | None = None
    """Called after each clean round, once a minute at most: a service that alarms on silence."""
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Prometheus' figures on this port of 127.0.0.1; 0: nowhere."""
    nightly_at: str = "06:00"
    """When the operations channel reads the balance of the last 24 hours, in UTC; or `off`."""

    @field_validator("heartbeat_url")
    @classmethod
    def _may_be_called(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            checked_url(value.get_secret_value())
        return value

    @field_validator("nightly_at")
    @classmethod
    def _is_time(cls, value: str) -> str:
        time_of(value)
        return value


class NotifySettings(_Part):
    """The secrets of the second path; who is told stands in careline.yaml."""

    webhook_secrets: Mapping[str, SecretStr] = Field(default_factory=dict)
    """By lower-case name of the webhook: `{"pager": "whsec_…"}`, or
    `CARELINE_NOTIFY__WEBHOOK_SECRETS__PAGER`."""
    smtp_host: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: str = "starttls"
    """`starttls`, `tls`, or `none` to a server on this machine."""
    smtp_user: str = ""
    smtp_password: SecretStr | None = None
    smtp_sender: str = ""


class TriageSettings(_Part):
    """What judges the texts."""

    classifier: Literal["model", "rules"] = "model"
    """The trained model, or word lists and weighted rules."""
    artefact: str = "default"
    """The shipped model, `free` (learnt from no data under a non-commercial licence), or a path."""
    rules: Path | None = None
    """The brand's own workflows, floors and topics, laid over the shipped ones: docs/triage.md."""
    calibration: Path | None = None
    """What `careline triage refit` made of the brand's corrections."""
    backend: Literal["default", "vader", "transformers"] = "default"
    """Who says how authors feel: the classifier, or another library (docs/triage-backends.md)."""
    transformers_path: Path | None = None
    """The folder of a saved model for the backend `transformers`; nothing is downloaded."""
    backend_within_seconds: float = Field(default=5.0, gt=0, le=20)
    """How long a batch waits for that library."""
    endpoint: EndpointConfig = EndpointConfig()
    """Whom to ask about texts that the default is not sure of; by default nobody."""


class Settings(BaseSettings):
    """All that one process of careline reads from its environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        env_ignore_empty=True,
    )

    config: Path = Path("careline.yaml")
    dev: bool = False
    """Accept a Redis that may forget. For trials only."""
    log_level: str = "info"
    log_json: bool | None = None
    """JSON lines; by default when standard error is no terminal."""
    state_dir: Path = Path(".careline")
    """Where dead letters too large for Kafka are spooled: on a disk that lasts."""
    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    slack: SlackSettings = SlackSettings()
    x: XSettings = XSettings()
    replay: ReplaySettings = ReplaySettings()
    auditor: AuditorSettings = AuditorSettings()
    notify: NotifySettings = NotifySettings()
    triage: TriageSettings = TriageSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, it wins over files; no `.env` is read."""
        _ = dotenv_settings, file_secret_settings
        return init_settings, env_settings, _SecretFiles(settings_cls)


class _SecretFiles(EnvSettingsSource):
    """Reads files named like variables in `CARELINE_SECRETS_DIR`."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        directory = os.environ.get(SECRETS_DIR)
        if not directory:
            return {}
        try:
            files = [path for path in Path(directory).iterdir() if path.is_file()]
            return {
                path.name.lower(): path.read_text(encoding="utf-8").strip()
                for path in files
                if path.name.upper().startswith(PREFIX)
            }
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"{SECRETS_DIR}: cannot read {directory} ({type(error).__name__})",
                hint=f"correct {SECRETS_DIR}, or make the files readable for this user",
            ) from error


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises ConfigurationError naming each wrong variable."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = "; ".join(
            f"{variable_of(found['loc'])}: {found['msg'].removeprefix('Value error, ')}"
            for found in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(problems, hint="correct it and see: careline doctor") from None


def variable_of(location: tuple[int | str, ...]) -> str:
    """Return the environment variable of a setting, such as `CARELINE_KAFKA__PARTITIONS`."""
    return PREFIX + "__".join(str(part).upper() for part in location)


def unknown_variables() -> tuple[str, ...]:
    """Return variables that look like settings and are none: most likely misspelt."""
    known = tuple(PREFIX + name.upper() for name in Settings.model_fields)
    return tuple(
        sorted(
            name
            for name in os.environ
            if name.startswith(PREFIX)
            and name != SECRETS_DIR
            and not name.startswith(_NOT_SETTINGS)
            and not any(name == each or name.startswith(each + "__") for each in known)
        )
    )


def child_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child: ours with settings, by variable, over it."""
    return {**os.environ, **settings}


def wants_colour() -> bool:
    """Whether colour is allowed: not with NO_COLOR (no-color.org) or a dumb terminal."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def effective(settings: Settings) -> dict[str, str]:
    """Return every setting by its variable, as a person may see it: secrets masked."""
    shown: dict[str, str] = {}

    def walk(value: object, location: tuple[str, ...]) -> None:
        if isinstance(value, BaseModel):
            for name in type(value).model_fields:
                walk(getattr(value, name), (*location, name))
        elif location[:1] == ("redis",) and isinstance(value, SecretStr):
            shown[variable_of(location)] = masked_url(value.get_secret_value())
        elif location == ("x", "accounts") and isinstance(value, Mapping):
            shown[variable_of(location)] = f"keys of {len(value)} account(s)" if value else "none"
        elif location == ("notify", "webhook_secrets") and isinstance(value, Mapping):
            shown[variable_of(location)] = f"of {', '.join(sorted(value))}" if value else "none"
        else:
            shown[variable_of(location)] = _shown(value)

    for name in type(settings).model_fields:
        walk(getattr(settings, name), (name,))
    return shown


def masked_url(url: str) -> str:
    """Return a URL without its password."""
    parsed = URL(url)
    return str(parsed.with_password("***")) if parsed.password else str(parsed)


def _shown(value: object) -> str:
    match value:
        case SecretStr():
            return "***"
        case None:
            return "not set"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def speed_of(text: str) -> float | None:
    """Read a `--speed`: how many times faster than recorded, or None for `max`."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        message = f"speed {text!r} is none: use 1, 60 or max"
        raise ValueError(message)
    return speed
