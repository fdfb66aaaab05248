"""CloudEvents 1.0 in Kafka's binary mode: every record's headers, by the standard's library.

Promises: ``pack`` and ``unpack`` are inverse; the body is the model's JSON, the key is the
conversation key, and careline's extensions are ``cursor``, ``sourceoffset`` and ``epoch``. What
cannot be read raises ``Unreadable`` with a short reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from cloudevents.core.bindings.kafka import to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic import TypeAdapter, ValidationError

from schemas.base import Wire

TYPE_PREFIX: Final = "com.careline."
Headers = Sequence[tuple[str, bytes]]
T = TypeVar("T")


class Unreadable(Exception):
    """Bytes that cannot be read; ``reason`` is a short word for a metric and a case."""

    def __init__(self, reason: str) -> None:
        """Keep the reason; never the bytes."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A record ready to be sent."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def pack(  # noqa: PLR0913 - these are the envelope's attributes
    body: Wire,
    *,
    type: str,  # noqa: A002 - CloudEvents' own name
    id: str,  # noqa: A002
    source: str,
    subject: str,
    time: datetime,
    key: str,
    extensions: Mapping[str, str] | None = None,
) -> Packed:
    """Return the record of a body; ``type`` comes without its prefix: ``case.claimed.v1``."""
    attributes: dict[str, Any] = {
        "id": id,
        "source": source,
        "type": TYPE_PREFIX + type,
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "specversion": "1.0",
        **(extensions or {}),
    }
    event = CloudEvent(attributes=attributes, data=body.model_dump_json().encode())
    message = to_binary(event, JSONFormat(), key_mapper=lambda _: key)
    headers = [(name, bytes(value)) for name, value in message.headers.items()]
    value = bytes(message.value or b"")
    return Packed(key=key.encode(), value=value, headers=headers)


def header(headers: Iterable[tuple[str, bytes]] | None, name: str) -> str | None:
    """Return an attribute or extension of a record, such as ``id`` or ``epoch``; None if absent."""
    wanted = f"ce_{name}"
    for key, value in headers or ():
        if key == wanted:
            return value.decode("utf-8", "replace")
    return None


def unpack(adapter: TypeAdapter[T], value: bytes | None) -> T:
    """Return the body of a record. Raises ``Unreadable``."""
    if value is None:
        raise Unreadable("empty")
    try:
        return adapter.validate_json(value)
    except ValidationError as error:
        kinds = sorted(
            {found["type"] for found in error.errors(include_input=False, include_url=False)}
        )
        raise Unreadable(
            "not_json" if kinds == ["json_invalid"] else "invalid:" + ",".join(kinds[:3])
        ) from None
