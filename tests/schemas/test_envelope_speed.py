"""The quick way to pack a record writes exactly what the standard's library writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from cloudevents.core.bindings.kafka import to_binary
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import TYPE_PREFIX, pack_json

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=40)
NAMES = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(lambda name: name != "data")
ZONES = st.integers(-720, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
STANDARD = {"id", "source", "type", "subject", "time", "datacontenttype", "specversion"}


@given(
    id_=WORDS,
    source=WORDS,
    kind=WORDS,
    subject=WORDS,
    key=WORDS,
    time=st.datetimes(timezones=ZONES | st.just(UTC)),
    extensions=st.dictionaries(NAMES.filter(lambda name: name not in STANDARD), WORDS, max_size=3),
)
def test_headers_are_those_of_the_library(  # noqa: PLR0913, PLR0917 - an envelope has seven parts
    id_: str,
    source: str,
    kind: str,
    subject: str,
    key: str,
    time: datetime,
    extensions: dict[str, str],
) -> None:
    attributes = {
        "id": id_,
        "source": source,
        "type": TYPE_PREFIX + kind,
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "specversion": "1.0",
        **extensions,
    }
    event = CloudEvent(attributes=attributes, data=b'{"a":1}')
    wanted = to_binary(event, JSONFormat(), key_mapper=lambda _: key)
    packed = pack_json(
        b'{"a":1}',
        type=kind,
        id=id_,
        source=source,
        subject=subject,
        time=time,
        key=key,
        extensions=extensions,
    )
    assert packed.headers == list(wanted.headers.items())
    assert packed.value == wanted.value
    assert packed.key == key.encode()


@pytest.mark.parametrize(
    "wrong",
    [{"id": ""}, {"subject": ""}, {"time": datetime(2026, 1, 1)}, {"source": ""}],  # noqa: DTZ001 - naive on purpose
)
def test_what_the_library_refuses_is_refused(wrong: dict[str, object]) -> None:
    attributes: dict[str, object] = {
        "type": "a.v1",
        "id": "1",
        "source": "/s",
        "subject": "s",
        "time": datetime(2026, 1, 1, tzinfo=UTC),
    } | wrong
    with pytest.raises((ValueError, CloudEventValidationError)):
        pack_json(b"{}", key="k", **attributes)  # type: ignore[arg-type]
