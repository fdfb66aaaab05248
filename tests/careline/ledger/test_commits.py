"""What the ledger stores of an effect is read back, by the version that wrote it and by others."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from careline.domain.effects import Intent
from careline.ledger.commits import intent_of, intent_raw

ALERT = Intent(
    effect_id="e1",
    executor="slack",
    kind="alert",
    case_id="c1",
    event_id="v1",
    not_after=datetime(2026, 1, 5, 9, tzinfo=UTC),
    subject="at_risk",
    notify="holder",
    fence=3,
    about="m1",
)
REPLY = Intent(effect_id="e2", executor="x:acme", kind="reply", case_id="c1", event_id="v2")


@pytest.mark.parametrize("intent", [ALERT, REPLY])
def test_an_intent_is_read_as_it_was_written(intent: Intent) -> None:
    assert intent_of(intent_raw(intent)) == intent


def test_what_only_a_newer_version_knows_of_an_intent_is_left_out() -> None:
    newer = orjson.loads(intent_raw(ALERT)) | {"colour": "green"}
    assert intent_of(orjson.dumps(newer)) == ALERT


def test_what_an_older_version_did_not_write_has_its_default() -> None:
    older = orjson.loads(intent_raw(ALERT))
    del older["about"]
    assert intent_of(orjson.dumps(older)).about == ""
