"""Items of X that are no posts: named the same each time, and never a place to go on from."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.x.mapping import garbage_of, position_of
from tests.connectors.stages import x_stage

NO_IDS = ["\u00b2", "9" * 5000, str(2**63), "-1", " 12", "1_0", "", True, None, 1.5, [1], {"id": 1}]


@pytest.mark.parametrize("found", NO_IDS, ids=lambda found: repr(found)[:12])
def test_what_is_no_id_is_no_place(found: object) -> None:
    assert position_of({"id": found}) is None
    assert not garbage_of({"id": found}, "invalid").position.isdecimal()


def test_an_id_is_a_place_as_text_and_as_number() -> None:
    assert position_of({"id": "1719"}) == position_of({"id": 1719}) == 1719
    assert position_of({"id": str(2**63 - 1)}) == 2**63 - 1
    assert garbage_of({"id": "1719"}, "missing:text").position == "1719"


def test_an_item_without_an_id_has_the_same_name_each_time_it_is_met() -> None:
    first, again = (garbage_of({"text": "oops", "n": 1}, "missing:id") for _ in range(2))
    assert first == again
    assert first.position != garbage_of({"text": "oops", "n": 2}, "missing:id").position


def a_digest_of_digits() -> dict[str, Any]:
    """An item without an id whose digest has no letter: one in 280 has none."""
    items = ({"author_id": "7", "n": number} for number in range(10_000))
    digits = (each for each in items if garbage_of(each, "missing").position[-12:].isdecimal())
    return next(digits)


@pytest.mark.parametrize(
    "item", [{"id": "\u00b2"}, {"id": str(2**64)}, a_digest_of_digits()], ids=str
)
async def test_a_strange_item_is_set_aside_and_what_comes_after_it_is_heard(
    item: dict[str, Any],
) -> None:
    async with x_stage() as stage:
        (before,) = await stage.say(["is anybody there?"])
        page = await stage.connector.read("mentions", "0", sweep=False)
        await stage.put(kind="garbage", account="acme", item=item, with_id=False)
        (after,) = await stage.say(["hello?"])
        page = await stage.connector.read("mentions", page.cursor_after, sweep=False)
        assert [each.native_id for each in page.records] == [after]
        assert len(page.garbage) == 1
        assert page.cursor_after == after
        (later,) = await stage.say(["nobody?"])
        page = await stage.connector.read("mentions", page.cursor_after, sweep=False)
        assert [each.native_id for each in page.records] == [later]
        assert before != after
