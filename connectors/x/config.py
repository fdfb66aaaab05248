"""How one brand account on X is read and answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from schemas.base import UtcDatetime

API_URL = "https://api.twitter.com"
X_BEGAN = datetime(2010, 11, 6, tzinfo=UTC)
"""No instant before this is accepted by X."""


class XConfig(BaseModel):
    """One brand account: credentials (OAuth 1.0a, or an OAuth 2.0 user token) and pace."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: str
    """The brand account's name in careline, part of every id: never change it."""
    handle: str = ""
    """The account's handle, without @, for the search that closes gaps."""
    user_id: str = ""
    """The account's id on X; looked up if empty."""
    base_url: str = API_URL
    bearer_token: SecretStr | None = None
    consumer_key: SecretStr | None = None
    consumer_secret: SecretStr | None = None
    access_token: SecretStr | None = None
    access_token_secret: SecretStr | None = None
    direct_messages: bool = True
    own_posts: bool = True
    watch_deletes: bool = True
    since: UtcDatetime | None = None
    """First connect: read from here; None opens no history."""
    poll_min_s: float = Field(default=5.0, gt=0)
    """Between two readings while messages come."""
    poll_max_s: float = Field(default=60.0, gt=0)
    """Between two readings when it is quiet."""
    dm_poll_min_s: float = Field(default=65.0, gt=0)
    """X allows 15 readings of direct messages in 15 minutes."""
    dm_poll_max_s: float = Field(default=120.0, gt=0)
    sweep_every_s: float = Field(default=120.0, gt=0)
    """How often a reading looks behind the cursor again."""
    overlap_s: float = Field(default=120.0, ge=0)
    """How far it looks behind."""
    pages_max: int = Field(default=40, ge=1)
    """Pages of 100 that are taken in before they are published."""
    mentions_reach: int = Field(default=800, ge=100)
    """The mentions timeline holds no more than this; search goes on from there."""
    watch_max: int = Field(default=1000, ge=0)
    """Recent mentions that are looked up again for edits and deletes."""
    watch_every_s: float = Field(default=300.0, gt=0)
    watch_for_s: float = Field(default=7 * 86_400.0, gt=0)
    request_timeout_s: float = Field(default=30.0, gt=0)

    @model_validator(mode="after")
    def _has_credentials(self) -> Self:
        if not self.oauth_1 and self.bearer_token is None:
            message = (
                "x: give consumer_key, consumer_secret, access_token and access_token_secret, "
                "or bearer_token"
            )
            raise ValueError(message)
        return self

    @property
    def oauth_1(self) -> bool:
        """Whether all four secrets of OAuth 1.0a are there; they do not expire."""
        return None not in (
            self.consumer_key,
            self.consumer_secret,
            self.access_token,
            self.access_token_secret,
        )
