"""CloudEvents 1.0 in Kafka's binary mode: every record's headers, by the standard's library.

Promises: ``pack`` and ``unpack`` are inverse; the body is the model's JSON, the key is the
conversation key, and careline's extensions are ``cursor``, ``sourceoffset`` and ``epoch``. What
cannot be read raises ``Unreadable`` with a short reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
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
    return pack_json(
        body.model_dump_json().encode(),
        type=type,
        id=id,
        source=source,
        subject=subject,
        time=time,
        key=key,
        extensions=extensions,
    )


def pack_json(  # noqa: PLR0913 - these are the envelope's attributes
    value: bytes,
    *,
    type: str,  # noqa: A002 - CloudEvents' own name
    id: str,  # noqa: A002
    source: str,
    subject: str,
    time: datetime,
    key: str,
    extensions: Mapping[str, str] | None = None,
) -> Packed:
    """Return the record of a body that is JSON already; the headers are those of ``pack``.

    What is the same in many records comes from the library once; the rest is written as it would.
    """
    if not id or not subject or time.tzinfo is None:
        raise ValueError("an event needs an id, a subject and an aware time")
    same_source, same_type, content_type, version = _shared(type, source)
    stamp = time.isoformat()
    if stamp.endswith("+00:00"):
        stamp = stamp[:-6] + "Z"
    headers = [
        ("ce_id", id.encode()),
        same_source,
        same_type,
        ("ce_subject", subject.encode()),
        ("ce_time", stamp.encode()),
        content_type,
        version,
    ]
    if extensions:
        headers += [(f"ce_{name}", text.encode()) for name, text in extensions.items()]
    return Packed(key=key.encode(), value=value, headers=headers)


@lru_cache(maxsize=1024)
def _shared(type_: str, source: str) -> tuple[tuple[str, bytes], ...]:
    """The headers that all records of a type and source share, made by the standard's library."""
    attributes: dict[str, Any] = {
        "id": "-",
        "source": source,
        "type": TYPE_PREFIX + type_,
        "datacontenttype": "application/json",
        "specversion": "1.0",
    }
    message = to_binary(CloudEvent(attributes=attributes, data=b"{}"), JSONFormat())
    names = ("ce_source", "ce_type", "content-type", "ce_specversion")
    return tuple((name, bytes(message.headers[name])) for name in names)


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
