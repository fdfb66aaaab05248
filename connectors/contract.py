"""The contract that every connector keeps, as tests: for us and for those who write their own.

Use it in a test module, with pytest-asyncio in auto mode:

    TestMastodon = connector_contract("TestMastodon", mastodon_stage)

where `mastodon_stage()` is an async context manager that gives a `Stage`: a started connector and
the means to make somebody write on the network it listens to. A connector is ready for production
when all of it passes; `Features` says what a network cannot do at all, and so documents it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Protocol

from connectors.base import Connector, Page
from schemas.mentions import HEARD, MentionReceived

HOSTILE_TEXTS = (
    "NUL \x00 and bell \x07",
    "lone \ud83d surrogate",
    "\u202ereversed\u202c <!channel> <@U1> &lt;b&gt;",
    "e" + "\u0301" * 300,
    "\U0001f621" * 200,
    " ",
    "'; DROP TABLE cases; --",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a network can do."""

    live: bool = True
    """People write while we listen; else all is there from the beginning."""
    source: str = "mentions"
    """The source in which a customer's message is heard."""


class Stage(Protocol):
    """A started connector, and a hand on the other side of the network."""

    @property
    def connector(self) -> Connector:
        """The connector, started."""
        ...

    async def say(self, texts: list[str]) -> list[str]:
        """Have a customer write to the brand account; return the messages' native ids."""
        ...

    async def say_garbage(self) -> None:
        """Put something unreadable where a message should be."""
        ...


MakeStage = Callable[[], AbstractAsyncContextManager[Stage]]


def connector_contract(name: str, make: MakeStage, features: Features | None = None) -> type:
    """Return a test class that holds a connector to the contract."""
    kept = features or Features()
    body: dict[str, Any] = {"make": staticmethod(make), "features": kept}
    return type(name, (_Contract,), body)


class _Contract:
    """The tests; each gets a stage of its own."""

    make: MakeStage
    features: Features

    async def test_a_first_connect_opens_no_history(self) -> None:
        async with self.make() as stage:
            if not self.features.live:
                return
            await stage.say(["long ago"])
            cursor = await stage.connector.first_cursor(self.features.source)
            page = await self._read(stage, cursor)
            _expect(not page.heard, f"history was opened: {_ids(page)}")

    async def test_what_is_said_is_heard_once_and_oldest_first(self) -> None:
        async with self.make() as stage:
            cursor = await stage.connector.first_cursor(self.features.source)
            said = await stage.say([f"message {number}" for number in range(12)])
            pages = await self._read_all(stage, cursor)
            heard = [record.native_id for page in pages for record in page.records]
            _expect(heard == said, f"said {said}, heard {heard}")
            for page in pages:
                places = [each.position for each in page.heard]
                _expect(places == sorted(places), "a page is not in order")
            after = await self._read(stage, pages[-1].cursor_after)
            _expect(not after.heard, "the same was heard again behind the cursor")

    async def test_records_say_who_what_when_and_where(self) -> None:
        async with self.make() as stage:
            cursor = await stage.connector.first_cursor(self.features.source)
            (native_id,) = await stage.say(["where is my parcel?"])
            (page,) = await self._read_all(stage, cursor)
            (record,) = page.records
            _expect(isinstance(record, MentionReceived), "not a received mention")
            if not isinstance(record, MentionReceived):
                return
            network = stage.connector.network
            _expect("where is my parcel?" in record.text, "the text is another one")
            _expect(record.conversation.network == network, "of another network")
            _expect(bool(record.author.id), "without an author")
            _expect(record.created_at.tzinfo is UTC, "a time without a zone")
            expected = f"{network}:{record.account}:{native_id}:0"
            _expect(record.event_id == expected, f"event id {record.event_id}, not {expected}")

    async def test_reading_again_from_a_cursor_gives_the_same_events(self) -> None:
        async with self.make() as stage:
            cursor = await stage.connector.first_cursor(self.features.source)
            await stage.say([f"message {number}" for number in range(5)])
            first = await self._read_all(stage, cursor)
            again = await self._read_all(stage, cursor)
            _expect([_ids(p) for p in first] == [_ids(p) for p in again], "other events")
            _expect(first[-1].cursor_after == again[-1].cursor_after, "another cursor")

    async def test_a_sweep_misses_nothing_either(self) -> None:
        async with self.make() as stage:
            cursor = await stage.connector.first_cursor(self.features.source)
            said = await stage.say(["one", "two", "three"])
            page = await stage.connector.read(self.features.source, cursor, sweep=True)
            heard = {record.native_id for record in page.records}
            _expect(set(said) <= heard, f"said {said}, heard {heard}")
            _expect(page.cursor_before == cursor, "a sweep moved the cursor back")

    async def test_garbage_costs_only_itself(self) -> None:
        async with self.make() as stage:
            cursor = await stage.connector.first_cursor(self.features.source)
            before = await stage.say(["before"])
            await stage.say_garbage()
            after = await stage.say(["after"])
            pages = await self._read_all(stage, cursor)
            heard = [record.native_id for page in pages for record in page.records]
            _expect(heard == [*before, *after], f"heard {heard}")
            garbage = [item for page in pages for item in page.garbage]
            _expect(len(garbage) == 1, f"{len(garbage)} items of garbage")
            _expect(bool(garbage[0].value) and bool(garbage[0].reason), "nothing to look at")
            again = await self._read_all(stage, cursor)
            places = [item.position for page in again for item in page.garbage]
            _expect(places == [garbage[0].position], "garbage has another name the second time")

    async def test_hostile_texts_travel(self) -> None:
        async with self.make() as stage:
            cursor = await stage.connector.first_cursor(self.features.source)
            said = await stage.say(list(HOSTILE_TEXTS))
            pages = await self._read_all(stage, cursor)
            records = [record for page in pages for record in page.records]
            _expect([record.native_id for record in records] == said, "some were not heard")
            for record in records:
                _expect(HEARD.validate_json(record.model_dump_json()) == record, "does not travel")

    async def test_every_source_has_a_pace_and_a_first_cursor(self) -> None:
        async with self.make() as stage:
            for source in stage.connector.sources:
                pace = stage.connector.pace(source)
                _expect(0 < pace.busy_s <= pace.quiet_s, f"{source}: {pace}")
                cursor = await stage.connector.first_cursor(source)
                _expect(bool(cursor), f"{source}: an empty cursor")
                page = await stage.connector.read(source, cursor, sweep=False)
                _expect(page.cursor_before == cursor, f"{source}: another cursor")

    async def test_stopping_twice_is_harmless(self) -> None:
        async with self.make() as stage:
            await stage.connector.stop()
            await stage.connector.stop()

    async def _read(self, stage: Stage, cursor: str) -> Page:
        return await stage.connector.read(self.features.source, cursor, sweep=False)

    async def _read_all(self, stage: Stage, cursor: str) -> list[Page]:
        pages = [await self._read(stage, cursor)]
        while pages[-1].more:
            pages.append(await self._read(stage, pages[-1].cursor_after))
        return pages


def _ids(page: Page) -> list[str]:
    return [record.event_id for record in page.records]


def _expect(condition: bool, what: str) -> None:  # noqa: FBT001 - the condition is the subject
    if not condition:
        raise AssertionError(what)
