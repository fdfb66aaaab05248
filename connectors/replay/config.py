"""Which file is replayed, and how fast."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from schemas.identity import revision_of


class ReplayConfig(BaseModel):
    """One file of posts: JSONL, CSV or TSV, plain or gzip."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    name: str = ""
    """Part of the cursor's key; a restart with the same name goes on. Empty: from the path."""
    network: str = "replay"
    """The network that all ids name."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Other names of columns, ours to the file's, such as `{"text": "body"}`."""
    parts: dict[str, str] = Field(default_factory=lambda: {"spotify": "SpotifyCares"})
    """Parts of a file that are all addressed to one brand account and may not hold its side."""
    speed: float | None = Field(default=None, gt=0)
    """How many times faster than the posts were written; None: as fast as possible."""
    pause_max_s: float = Field(default=5.0, gt=0)
    """No silence of the file is replayed longer than this."""
    page_size: int = Field(default=500, ge=1)
    limit: int | None = Field(default=None, ge=1)
    """Lines of the file that are replayed; None: all."""
    replies_path: Path | None = None
    """JSONL file that replies are written to; None: they are not carried out."""

    @property
    def key(self) -> str:
        """The name under which the cursor is kept."""
        return self.name or f"{self.path.name}-{revision_of(str(self.path.absolute()))}"


def speed_of(text: str) -> float | None:
    """Read `--speed`: a factor, or `max`. Raises ValueError."""
    if text == "max":
        return None
    value = float(text)
    if value <= 0:
        message = "speed must be above 0, or max"
        raise ValueError(message)
    return value
