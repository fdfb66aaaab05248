"""What a connector process listens to, and with what."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from careline.runtime.brokers import Where
from connectors.replay.config import ReplayConfig
from connectors.x.config import XConfig
from schemas.topics import DEFAULT_PARTITIONS


class ConnectorsConfig(BaseModel):
    """The accounts and files of one connector process, and its Kafka and Redis."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kafka_bootstrap: Where
    redis_url: str
    partitions: int = Field(default=DEFAULT_PARTITIONS, ge=1)
    x: tuple[XConfig, ...] = ()
    replay: tuple[ReplayConfig, ...] = ()
    concurrent: int = Field(default=12, ge=1)
    """Sources that are read or published at the same time."""
    send_replies: bool = True
    reply_landing_s: float = Field(default=30.0, ge=0)
    """How late a reply that was cut off may still appear on the network."""
    reply_search_s: float = Field(default=30.0, gt=0)
    """Between two searches for a reply of unknown outcome."""
    reply_unsettled_s: float = Field(default=900.0, gt=0)
    """After this a person must say whether it was sent."""
    replies_at_once: int = Field(default=4, ge=1)
    """Calls of one account and kind at the same time."""
    spool: Path | None = None
    """Where dead letters too large for Kafka are kept; None: a folder that the system may clear."""
    kafka_timeout_s: float = Field(default=30.0, gt=0)
    stop_within_s: float = Field(default=8.0, gt=0)
