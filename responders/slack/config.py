"""What the Slack responder needs to know: tokens, channels, who is told, and how fast it may go.

Promise: a configuration that could ping a whole channel, or that has no channel for operations, is
refused; secrets never show in a repr.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from careline.runtime.brokers import Where
from schemas.topics import DEFAULT_PARTITIONS

OPS: Final = "ops"
_TELLABLE: Final = re.compile(r"^[SUW][A-Z0-9]{2,}$")


class Person(BaseModel):
    """Somebody who works cases in Slack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    roles: frozenset[str] = frozenset()


class SlackConfig(BaseModel):
    """The responder's whole configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bot_token: SecretStr
    app_token: SecretStr
    base_url: str = "https://slack.com/api/"
    kafka: Where
    redis: SecretStr
    """URL of the ledger; it may hold a password."""
    partitions: int = DEFAULT_PARTITIONS
    channels: Mapping[str, str]
    """Queue → channel id or name. `ops` is required: it also takes what has no channel left."""
    groups: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Group of the ladder → ids of Slack users (U…, W…) or user groups (S…) who are told."""
    people: Mapping[str, Person] = Field(default_factory=dict)
    """Slack user id → person; anybody else acts under the name that Slack gives."""
    settle_role: str = "lead"
    """Who may say whether a reply was sent; anybody, if nobody has this role."""
    paced: bool = True
    """Keep Slack's limits. Off only against the sandbox."""
    connections: int = Field(default=2, ge=1, le=10)
    request_timeout: float = Field(default=10.0, gt=0)
    landing: float = Field(default=30.0, ge=0)
    """How long after its request a message may still appear in a channel."""
    silent_after: float = Field(default=60.0, gt=0)
    """A socket that answered no ping for so long is rebuilt."""
    alarm_after: float = Field(default=600.0, gt=0)
    """Without any socket for so long the responder ends, so that its supervisor starts it anew."""

    @field_validator("channels")
    @classmethod
    def _has_operations(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        if not value.get(OPS):
            msg = f"a channel for the queue {OPS!r} is required: unreadable records are shown there"
            raise ValueError(msg)
        return value

    @field_validator("groups")
    @classmethod
    def _names_people(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for group, members in value.items():
            for member in members:
                if not _TELLABLE.match(member):
                    msg = f"group {group!r}: {member!r} is no Slack id of a user or user group"
                    raise ValueError(msg)
        return value

    def channel_of(self, queue: str) -> str:
        """Return the channel of a queue; of `ops` if it has none of its own."""
        return self.channels.get(queue) or self.channels[OPS]

    def may_settle(self, user: str) -> bool:
        """Say whether a Slack user may settle a reply whose outcome nobody knows."""
        holders = {one for one, who in self.people.items() if self.settle_role in who.roles}
        return not holders or user in holders
