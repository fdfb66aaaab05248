"""What is heard on X: order, pages, edits, deletes, own posts, direct messages, gaps."""

from __future__ import annotations

import pytest

from careline.sandbox.common.pace import Pace
from careline.sandbox.server import SandboxConfig
from careline.sandbox.x.feeding import put
from connectors.errors import AccessDenied, OutcomeUnknown
from schemas.mentions import BrandPosted, MentionEdited, Visibility
from tests.connectors.stages import XStage, x_stage


async def read_all(stage: XStage, source: str, cursor: str) -> tuple[list[object], str]:
    records: list[object] = []
    while True:
        page = await stage.connector.read(source, cursor, sweep=False)
        records += page.records
        cursor = page.cursor_after
        if not page.more:
            return records, cursor


async def test_a_thousand_mentions_are_paged_through_and_heard_oldest_first() -> None:
    async with x_stage(mentions_reach=5000) as stage:
        said = [_put(stage, f"@acme number {n}?") for n in range(1000)]
        page = await stage.connector.read("mentions", "0", sweep=False)
        assert [record.native_id for record in page.records] == said
        assert page.cursor_after == said[-1]
        assert stage.sandbox.history.requests["x GET /2/users/{id}/mentions"] == 10


async def test_a_reading_cut_short_by_a_bound_goes_on_below_and_keeps_the_cursor() -> None:
    async with x_stage(pages_max=3, mentions_reach=5000) as stage:
        said = [_put(stage, f"@acme number {n}?") for n in range(1000)]
        first = await stage.connector.read("mentions", "0", sweep=False)
        assert first.more
        assert first.cursor_after == first.cursor_before == "0"
        assert [r.native_id for r in first.records] == said[-300:]
        records, cursor = await read_all(stage, "mentions", "0")
        assert {r.native_id for r in [*first.records, *records]} == set(said)
        assert cursor == said[-1]


async def test_a_limit_in_the_middle_loses_nothing() -> None:
    async with x_stage(mentions_reach=5000) as stage:
        said = [_put(stage, f"@acme number {n}?") for n in range(350)]
        heard: set[str] = set()
        first = await stage.connector.read("mentions", "0", sweep=False)
        assert not first.more
        stage.fault(kind="server_error", path="/2/users/*/mentions", probability=0.5, seed=3)
        page, tries = None, 0
        while page is None or page.more:
            tries += 1
            assert tries < 100
            try:
                page = await stage.connector.read("mentions", "0", sweep=False)
            except OutcomeUnknown:
                continue
            heard |= {record.native_id for record in page.records}
        assert heard == set(said)
        assert page.cursor_after == said[-1]


async def test_beyond_the_end_of_the_timeline_search_goes_on() -> None:
    config = SandboxConfig(brands=("acme",), pace=Pace.REAL)
    async with x_stage(sandbox_config=config) as stage:
        first = _put(stage, "@acme the first")
        said = [_put(stage, f"@acme number {n}?") for n in range(1000)]
        records, cursor = await read_all(stage, "mentions", first)
        assert sorted(r.native_id for r in records) == sorted(said)
        assert cursor == said[-1]


async def test_where_search_ends_too_a_gap_is_named() -> None:
    config = SandboxConfig(brands=("acme",), pace=Pace.REAL)
    async with x_stage(sandbox_config=config) as stage:
        first = _put(stage, "@acme the first")
        for number in range(900):
            _put(stage, f"@acme number {number}?")
        stage.fault(kind="refuse", status=400, path="/2/tweets/search/recent", error="too old")
        page = await stage.connector.read("mentions", first, sweep=False)
        assert "800" in page.gap
        assert len(page.records) == 800


async def test_an_edit_keeps_the_first_id_and_counts_its_revision() -> None:
    async with x_stage() as stage:
        root = _put(stage, "@acme my ordr is late")
        _, cursor = await read_all(stage, "mentions", "0")
        edited = await stage.put(kind="edit", id=root, text="@acme my order is late")
        again = await stage.put(kind="edit", id=root, text="@acme my order is very late")
        (record,), _ = await read_all(stage, "mentions", cursor)
        assert isinstance(record, MentionEdited)
        assert record.native_id == root
        assert record.conversation.root == root
        assert (record.revision, record.revision_id) == ("2", again)
        assert record.event_id == f"x:acme:{root}:2"
        assert edited != again


async def test_an_answer_to_an_edited_post_names_its_first_id() -> None:
    async with x_stage() as stage:
        root = _put(stage, "@acme hello?")
        edited = await stage.put(kind="edit", id=root, text="@acme hello, anybody?")
        await stage.put(author="acme", text="yes", in_reply_to=edited)
        (own,), _ = await read_all(stage, "own_posts", "0")
        assert isinstance(own, BrandPosted)
        assert own.in_reply_to == root
        assert own.conversation.root == root


async def test_own_posts_are_heard_apart_from_mentions() -> None:
    async with x_stage() as stage:
        asked = _put(stage, "@acme where is it?")
        reply = await stage.put(author="acme", text="@ann on its way", in_reply_to=asked)
        await stage.put(author="acme", text="thanks @acme to all of us")
        mentions, _ = await read_all(stage, "mentions", "0")
        own, _ = await read_all(stage, "own_posts", "0")
        assert [r.native_id for r in mentions] == [asked]
        assert own[0].native_id == reply
        assert own[0].in_reply_to == asked
        assert {r.kind for r in own} == {"posted"}
        assert len(own) == 2


async def test_a_delete_is_told_after_two_look_ups_and_only_once() -> None:
    async with x_stage() as stage:
        gone, stays = _put(stage, "@acme never mind"), _put(stage, "@acme help")
        await read_all(stage, "mentions", "0")
        await stage.put(kind="delete", id=gone)
        first = await stage.connector.read("changes", "0", sweep=False)
        assert not first.records
        second = await stage.connector.read("changes", "0", sweep=False)
        assert [r.event_id for r in second.records] == [f"x:acme:{gone}:del"]
        assert gone in str(stage.store.kept), "forgotten before its delete was acknowledged"
        third = await stage.connector.read("changes", "0", sweep=False)
        assert not third.records
        assert gone not in str(stage.store.kept)
        assert stays in str(stage.store.kept)


async def test_a_look_up_that_fails_once_is_no_delete() -> None:
    async with x_stage() as stage:
        asked = await stage.put(author="ann", text="@acme help", appears_after=0)
        await read_all(stage, "mentions", "0")
        post = stage.sandbox.x.store.posts[int(asked)]
        post.deleted = True
        await stage.connector.read("changes", "0", sweep=False)
        post.deleted = False
        await stage.connector.read("changes", "0", sweep=False)
        post.deleted = True
        page = await stage.connector.read("changes", "0", sweep=False)
        assert not page.records


async def test_an_edit_that_no_longer_names_the_brand_is_found_by_look_up() -> None:
    async with x_stage() as stage:
        asked = _put(stage, "@acme help")
        await read_all(stage, "mentions", "0")
        store = stage.sandbox.x.store
        new = store.edit(store.posts[int(asked)], "never mind")
        page = await stage.connector.read("changes", "0", sweep=False)
        assert [r.event_id for r in page.records] == [f"x:acme:{asked}:1"]
        assert page.records[0].revision_id == str(new.id)
        assert not (await stage.connector.read("changes", "0", sweep=False)).records


async def test_direct_messages_are_read_down_to_the_known_one() -> None:
    async with x_stage() as stage:
        for number in range(150):
            await stage.put(kind="dm", **{"from": "ann", "to": "acme", "text": f"old {number}"})
        cursor = await stage.connector.first_cursor("direct_messages")
        asked = await stage.put(kind="dm", **{"from": "ann", "to": "acme", "text": "my card"})
        page = await stage.connector.read("direct_messages", cursor, sweep=False)
        (record,) = page.records
        assert record.native_id == asked == page.cursor_after
        assert record.conversation.visibility is Visibility.DIRECT
        assert record.conversation.key.startswith("x:dm:")
        assert record.author.handle == "ann"


async def test_an_own_direct_message_answers_the_customers_latest_before_it() -> None:
    async with x_stage() as stage:
        await stage.put(kind="dm", **{"from": "ann", "to": "acme", "text": "first"})
        asked = await stage.put(kind="dm", **{"from": "ann", "to": "acme", "text": "second"})
        answer = await stage.put(kind="dm", **{"from": "acme", "to": "ann", "text": "hello"})
        later = await stage.put(kind="dm", **{"from": "ann", "to": "acme", "text": "third"})
        page = await stage.connector.read("direct_messages", "0", sweep=False)
        (own,) = [r for r in page.records if r.kind == "posted"]
        assert (own.native_id, own.in_reply_to) == (answer, asked)
        alone = await stage.connector.read("direct_messages", str(int(answer) - 1), sweep=False)
        assert [r.native_id for r in alone.records] == [answer, later]


async def test_after_a_restart_the_message_before_an_own_one_is_looked_up() -> None:
    async with x_stage() as stage:
        asked = await stage.put(kind="dm", **{"from": "ann", "to": "acme", "text": "second"})
        answer = await stage.put(kind="dm", **{"from": "acme", "to": "ann", "text": "hello"})
        page = await stage.connector.read("direct_messages", asked, sweep=False)
        (own,) = page.records
        assert (own.native_id, own.in_reply_to) == (answer, asked)


async def test_a_first_connect_with_since_reads_back_to_it() -> None:
    async with x_stage(since="2017-01-01T00:00:00Z") as stage:
        store = stage.sandbox.x.store
        old = _put(stage, "@acme old", created_at="2016-05-01T00:00:00.000Z")
        new = _put(stage, "@acme new", created_at="2017-05-01T00:00:00.000Z")
        cursor = await stage.connector.first_cursor("mentions")
        records, _ = await read_all(stage, "mentions", cursor)
        assert [r.native_id for r in records] == [new]
        assert int(old) in store.posts


async def test_a_sweep_hears_what_appeared_late_behind_the_cursor() -> None:
    async with x_stage(overlap_s=600) as stage:
        late = await stage.put(author="ann", text="@acme late", appears_after=3600)
        _put(stage, "@acme soon")
        _, cursor = await read_all(stage, "mentions", "0")
        stage.sandbox.x.store.posts[int(late)].visible_at = 0.0
        page = await stage.connector.read("mentions", cursor, sweep=False)
        assert not page.records
        page = await stage.connector.read("mentions", cursor, sweep=True)
        assert late in [r.native_id for r in page.records]
        assert page.cursor_after == cursor


async def test_wrong_tokens_are_said_so() -> None:
    with pytest.raises(AccessDenied, match="tokens"):
        async with x_stage(bearer_token="wrong"):
            pass


def _put(stage: XStage, text: str, **more: object) -> str:
    return put(stage.sandbox.x.store, {"author": "ann", "text": text, **more})
