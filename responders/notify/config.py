"""What the second path is told: whom it may call, with which secret, and how mail leaves.

Promises: only addresses that the operator has configured are ever called, https or this machine; a
webhook without a signing secret and mail without encryption to another machine are refused; secrets
never show in a repr.
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from careline.runtime.brokers import Where
from careline.runtime.outbound import checked_url, is_loopback
from schemas.topics import DEFAULT_PARTITIONS

WEBHOOK: Final = "webhook"
MAIL: Final = "mail"
_SECRET: Final = "whsec_"  # noqa: S105 - how such secrets begin
_SHORTEST_SECRET: Final = 24
_ADDRESS: Final = re.compile(r"^[^\s@<>\"]+@[^\s@<>\"]+$")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Webhook(_Part):
    """One receiver of signed alerts."""

    url: SecretStr
    """It may hold a token of the receiver's."""
    secret: SecretStr

    @field_validator("url")
    @classmethod
    def _may_be_called(cls, value: SecretStr) -> SecretStr:
        checked_url(value.get_secret_value())
        return value

    @field_validator("secret")
    @classmethod
    def _is_secret(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        try:
            key = base64.b64decode(text.removeprefix(_SECRET), validate=True)
        except binascii.Error:
            key = b""
        if not text.startswith(_SECRET) or len(key) < _SHORTEST_SECRET:
            msg = f"the signing secret must be {_SECRET} and {_SHORTEST_SECRET} or more bytes as"
            raise ValueError(f"{msg} base64")
        return value


class MailSecurity(enum.StrEnum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"
    """Only to a server on this machine."""


class Smtp(_Part):
    """The server that takes our mail."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: MailSecurity = MailSecurity.STARTTLS
    user: str = ""
    password: SecretStr | None = None
    sender: str

    @model_validator(mode="after")
    def _is_protected(self) -> Smtp:
        if self.security is MailSecurity.NONE and not is_loopback(self.host):
            msg = "mail without encryption goes to a server on this machine only"
            raise ValueError(msg)
        if not _ADDRESS.match(self.sender):
            msg = f"{self.sender!r} is no address to send from"
            raise ValueError(msg)
        return self


class NotifyConfig(_Part):
    """The responder's whole configuration."""

    kafka: Where
    redis: SecretStr
    partitions: int = DEFAULT_PARTITIONS
    webhooks: Mapping[str, Webhook] = Field(default_factory=dict)
    mail: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Name of a group of readers → their addresses."""
    smtp: Smtp | None = None
    case_link: str = ""
    """Where a person finds a case: an address with ``{case}`` in it."""
    request_timeout: float = Field(default=10.0, gt=0)
    landing: float = Field(default=20.0, ge=0)
    """How long a call that was cut off may still take effect on the far side."""

    @field_validator("mail")
    @classmethod
    def _are_addresses(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for name, readers in value.items():
            wrong = [one for one in readers if not _ADDRESS.match(one)]
            if wrong or not readers:
                msg = f"mail {name!r}: {wrong[0] if wrong else 'nobody'!r} is no address"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _can_send(self) -> NotifyConfig:
        if self.mail and self.smtp is None:
            msg = "mail has readers and no server: set CARELINE_NOTIFY__SMTP_HOST"
            raise ValueError(msg)
        return self

    def webhooks_of(self, notify: str) -> dict[str, Webhook]:
        """Return the receivers that a step names: ``webhook:pager`` one, ``webhook`` all."""
        name = _name(notify, WEBHOOK)
        if name is None:
            return {}
        return {one: hook for one, hook in self.webhooks.items() if name in {"", one}}

    def readers_of(self, notify: str) -> tuple[str, ...]:
        """Return the addresses that a step names: ``mail:duty`` one group's, ``mail`` all."""
        name = _name(notify, MAIL)
        if name is None:
            return ()
        named = [readers for one, readers in self.mail.items() if name in {"", one}]
        return tuple(dict.fromkeys(reader for readers in named for reader in readers))


def _name(notify: str, kind: str) -> str | None:
    found, _, name = notify.partition(":")
    return name.strip() if found.strip() == kind else None
