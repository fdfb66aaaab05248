"""The common ground of every wire contract: a frozen model, UTC times and well-formed text.

Promises: a record that a newer writer made is read by an older reader (unknown fields are ignored),
every instant is aware and in UTC, and every text can be encoded as UTF-8. It does no I/O and reads
no clock.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict


class Wire(BaseModel):
    """A frozen wire model; a reader ignores fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _to_utc(value: datetime) -> datetime:
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def well_formed(text: str) -> str:
    """Return the text as UTF-8 can carry it: each lone surrogate becomes U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _clean(value: object) -> object:
    if not isinstance(value, str):
        return value
    return value if value.isascii() else well_formed(value)


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware instant, always in UTC; a naive one is refused."""

Text = Annotated[str, BeforeValidator(_clean)]
"""Text from the outside world: any Unicode, without lone surrogates."""
