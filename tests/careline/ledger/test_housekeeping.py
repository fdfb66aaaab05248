"""Snapshots go into the log, what is old enough leaves, and nothing that is live ever does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from careline.domain.codec import dump_case
from careline.domain.snapshots import is_due
from careline.ledger.fence import Fenced
from careline.ledger.housekeeping import Housekeeper, Tidied
from careline.ledger.keeping import CAUSES_KEPT, Keeping
from careline.ledger.store import key, mention_raw
from careline.ledger.sweeping import Change, swap
from schemas import commands as c
from schemas.commands import Disposition
from schemas.events import LOG, CaseSnapshotted
from schemas.topics import DEAD_LETTERS, MENTIONS_TRIAGED
from schemas.triage import MentionTriaged
from tests.support.ledger import PARTITIONS, LedgerWorld
from tests.support.stories import ANA, a_mention, a_triage, an_edit, an_own_post

AT_ONCE = timedelta(0)
NEVER = timedelta(days=36_500)
QUIET = {
    "causes": NEVER,
    "words": NEVER,
    "replies": NEVER,
    "tombstones": NEVER,
    "mentions": NEVER,
    "cases": NEVER,
    "snapshots": NEVER,
    "after_close": NEVER,
}
WORDS = "my parcel never came"


def keeping(**changes: timedelta) -> Keeping:
    """Return a keeping that changes nothing but what is named."""
    return Keeping(**(QUIET | changes))


async def tidied(world: LedgerWorld, shard: int, **changes: timedelta) -> Tidied:
    """Go once over a shard."""
    housekeeper = Housekeeper(world.ledger, keeping=keeping(**changes))
    return await housekeeper.tidy(shard, await world.ledger.fence(shard))


async def closed(world: LedgerWorld) -> int:
    """Open a case and close it; return its shard."""
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    facts: dict[str, Any] = {
        "case_id": case.case_id,
        "issued_at": datetime.now(UTC),
        "actor": ANA,
    }
    covers = tuple(found.mention_id for found in case.open_obligations)
    await world.command(
        c.ResolveCase(command_id="end", disposition=Disposition.SPAM, covers=covers, **facts)
    )
    for outcome in ("card",):
        await world.command(
            c.RecordOutcome(
                command_id=f"outcome-{outcome}",
                effect_id=f"card:{case.case_id}",
                attempt=1,
                outcome=c.Outcome.DONE,
                channel="C1",
                native_id="1.1",
                **facts,
            )
        )
    await world.pump()
    return shard


async def test_a_live_case_is_put_into_the_log_as_a_whole_every_30_days(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    before = await world.only_case()
    did = await tidied(world, shard, snapshots=AT_ONCE)
    await world.drain(shard)
    after = await world.only_case()
    event = LOG.validate_json((await world.events(shard))[-1].value or b"")
    assert did.snapshots == 1
    assert isinstance(event, CaseSnapshotted)
    assert event.state["version"] == before.version
    assert (after.version, after.snapshotted_at) == (before.version + 1, event.at)
    assert after.open_obligations == before.open_obligations
    due = await world.ledger.due_times(shard)
    assert due.keys() == {before.case_id}
    assert not is_due(after, now=event.at + timedelta(days=29))
    assert is_due(after, now=event.at + timedelta(days=30))


async def test_a_snapshot_carries_no_word_and_no_name(world: LedgerWorld) -> None:
    mention = a_mention(text="the secret word")
    named = mention.author.model_copy(update={"handle": "janedoe", "name": "Jane Doe"})
    shard = await world.hear(mention.model_copy(update={"author": named}))
    await world.pump()
    await tidied(world, shard, snapshots=AT_ONCE)
    await world.drain(shard)
    raw = (await world.events(shard))[-1].value or b""
    assert b"case.snapshotted" in raw
    assert b"secret" not in raw
    assert b"Jane" not in raw
    assert b"janedoe" not in raw


async def test_two_snapshots_of_a_day_are_one(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    assert (await tidied(world, shard, snapshots=AT_ONCE)).snapshots == 1
    assert (await tidied(world, shard, snapshots=AT_ONCE)).snapshots == 0


async def test_a_case_is_snapshotted_once_when_it_is_closed(world: LedgerWorld) -> None:
    shard = await closed(world)
    assert (await tidied(world, shard)).snapshots == 0
    assert (await tidied(world, shard, after_close=AT_ONCE)).snapshots == 1
    case = await world.only_case()
    assert case.snapshotted_at is not None
    assert not is_due(case, now=case.snapshotted_at + timedelta(days=400))


async def test_a_closed_case_leaves_with_its_line_once_the_log_forgets_it(
    world: LedgerWorld,
) -> None:
    shard = await closed(world)
    assert (await tidied(world, shard, cases=AT_ONCE)).cases == 0, "never without its snapshot"
    await tidied(world, shard, after_close=AT_ONCE)
    assert (await tidied(world, shard, cases=AT_ONCE)).cases == 1
    assert await world.cases() == {}
    for name in ("heads", "lines"):
        assert await world.client.hlen(key(shard, name)) == 0  # type: ignore[misc]
    assert await world.client.zcard(key(shard, "refresh")) == 0
    # Its mention is known as long as anything is; then that leaves too.
    assert (await tidied(world, shard, mentions=AT_ONCE)).mentions == 1
    assert await world.client.hlen(key(shard, "mentions")) == 0  # type: ignore[misc]


async def test_a_live_case_never_leaves_whatever_its_age(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    await tidied(world, shard, snapshots=AT_ONCE)
    did = await tidied(world, shard, cases=AT_ONCE, mentions=AT_ONCE)
    assert (did.cases, did.mentions) == (0, 0)
    assert len(await world.cases()) == 1
    assert len(await world.ledger.due_times(shard)) == 1


async def test_a_closed_case_with_something_left_to_do_outside_stays(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    await world.command(
        c.ResolveCase(
            command_id="end",
            case_id=case.case_id,
            issued_at=datetime.now(UTC),
            actor=ANA,
            disposition=Disposition.SPAM,
            covers=tuple(found.mention_id for found in case.open_obligations),
        )
    )
    await world.pump()
    await tidied(world, shard, after_close=AT_ONCE)
    assert (await tidied(world, shard, cases=AT_ONCE)).cases == 0


async def test_a_case_that_moves_meanwhile_stays(world: LedgerWorld) -> None:
    shard = await closed(world)
    await tidied(world, shard, after_close=AT_ONCE)
    fence = await world.ledger.fence(shard)
    case = await world.only_case()
    (gone,) = await world.ledger.script(
        "forget", shard, fence.value, case.case_id, "another head", case.line, ""
    )
    assert gone == 0
    assert await world.only_case() == case


async def test_words_leave_after_their_time_and_the_case_is_still_found(
    world: LedgerWorld,
) -> None:
    mention = a_mention(text=WORDS)
    shard = await world.hear(mention, a_triage(reasons=("says 'my parcel never came'",)))
    await world.hear(an_own_post(mention, text=f"sorry about: {WORDS}"))
    await world.pump()
    assert (await tidied(world, shard, words=NEVER)).words == 0
    assert (await tidied(world, shard, words=AT_ONCE)).words == 2
    assert (await tidied(world, shard, words=AT_ONCE)).words == 0
    stored = await world.client.hvals(key(shard, "mentions"))  # type: ignore[misc]
    assert len(stored) == 2
    assert all(WORDS.encode() not in raw for raw in stored)
    # Another own post in reply to it still answers it.
    await world.hear(an_own_post(mention, native_id="901", text="and again"))
    await world.pump()
    assert (
        "901" in (await world.only_case()).own_posts
        or (await world.only_case()).answered_up_to == mention.order
    )


async def test_an_edit_that_comes_meanwhile_is_not_made_bare(world: LedgerWorld) -> None:
    mention = a_mention(text=WORDS)
    shard = await world.hear(mention)
    await world.pump()
    seen = await world.ledger.raw(shard, "mentions", mention.mention_id) or b""
    await world.hear(an_edit(mention, text="new words"))
    await world.pump()
    fence = await world.ledger.fence(shard)
    changes = {mention.mention_id: Change(seen, b"0:{}")}
    assert await swap(world.ledger, shard, fence, "mentions", changes) == 0
    found = await world.ledger.read_mention(mention.mention_id, shard)
    assert getattr(found.heard if found else None, "text", "") == "new words"


async def test_causes_leave_after_120_days_and_not_before(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    assert timedelta(days=120) == CAUSES_KEPT
    entries = await world.client.zcard(key(shard, "causes:at"))
    assert entries == 1
    assert (await tidied(world, shard, causes=CAUSES_KEPT)).causes == 0
    days = CAUSES_KEPT.total_seconds() * 1000
    cause = a_mention().event_id
    at = await world.client.zscore(key(shard, "causes:at"), cause)
    await world.client.zadd(key(shard, "causes:at"), {cause: (at or 0) - days - 1})
    assert (await tidied(world, shard, causes=CAUSES_KEPT)).causes == 1
    assert await world.client.hlen(key(shard, "causes")) == 0  # type: ignore[misc]


async def forgotten(world: LedgerWorld, shard: int) -> None:
    """Let 121 days pass over all that the shard has heard, as the store sees it."""
    for name, raw in (await world.client.hgetall(key(shard, "mentions"))).items():  # type: ignore[misc]
        triaged = MentionTriaged.model_validate_json(raw[raw.index(b"{") :])
        old = triaged.heard.model_copy(
            update={"heard_at": datetime.now(UTC) - CAUSES_KEPT - timedelta(days=1)}
        )
        bare = mention_raw(triaged.model_copy(update={"heard": old}))
        await world.client.hset(key(shard, "mentions"), name, bare)  # type: ignore[misc]
    await world.client.delete(key(shard, "causes"), key(shard, "causes:at"))


async def test_a_repeat_whose_cause_is_forgotten_finds_its_case_and_changes_nothing(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    before = await world.only_case()
    await forgotten(world, shard)
    await world.hear(a_mention())
    (applied,) = await world.pump()
    assert applied.quarantined == 0
    assert await world.only_case() == before


async def test_a_repeat_without_a_case_any_more_is_put_in_front_of_the_operators(
    world: LedgerWorld,
) -> None:
    shard = await closed(world)
    await tidied(world, shard, after_close=AT_ONCE)
    await tidied(world, shard, cases=AT_ONCE)
    await forgotten(world, shard)
    await world.hear(a_mention())
    assert sum(applied.quarantined for applied in await world.pump()) == 1
    letters = [
        one for shard in range(PARTITIONS) for one in await world.records(DEAD_LETTERS.name, shard)
    ]
    assert dict(letters[0].headers)["reason"] == b"repeated_too_late"
    (case,) = (await world.cases()).values()
    assert (case.kind, case.queue, case.subject) == (
        "operations",
        "ops",
        f"{MENTIONS_TRIAGED.name}: repeated_too_late",
    )


async def test_the_text_of_a_settled_reply_leaves_and_that_of_an_open_one_stays(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    facts: dict[str, Any] = {
        "case_id": case.case_id,
        "issued_at": datetime.now(UTC),
        "actor": ANA,
    }
    covers = tuple(found.mention_id for found in case.open_obligations)
    await world.command(c.ReplyToCase(command_id="r", text="so sorry", covers=covers, **facts))
    await world.pump()
    reply = (await world.only_case()).reply
    assert reply is not None
    assert (await tidied(world, shard, replies=-NEVER)).replies == 0
    assert await world.ledger.reply_text(reply.effect_id, shard) == "so sorry"
    await world.command(
        c.RecordOutcome(
            command_id="o", effect_id=reply.effect_id, attempt=1, outcome=c.Outcome.DONE, **facts
        )
    )
    await world.pump()
    assert (await tidied(world, shard, replies=NEVER)).replies == 0
    assert (await tidied(world, shard, replies=-AT_ONCE - timedelta(days=1))).replies == 1
    assert await world.ledger.reply_text(reply.effect_id, shard) is None


async def test_a_round_is_done_in_bounded_pieces(world: LedgerWorld) -> None:
    for n in range(600):
        shard = await world.hear(a_mention(str(1000 + n), root="100", author=str(n)))
    await world.pump()
    housekeeper = Housekeeper(world.ledger, keeping=keeping(snapshots=AT_ONCE), page=50)
    fence = await world.ledger.fence(shard)
    pieces = [await housekeeper.tidy(shard, fence)]
    while not pieces[-1].finished:
        pieces.append(await housekeeper.tidy(shard, fence))
        assert len(pieces) < 100
    assert len(pieces) > 3
    assert max(did.snapshots for did in pieces) < 200
    assert sum(did.snapshots for did in pieces) == 600


async def test_nothing_is_tidied_under_another_fence(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    fence = await world.ledger.fence(shard)
    await world.ledger.scripts.run("set_epoch", shard, fence.value, "recovering:other", 0)
    housekeeper = Housekeeper(world.ledger, keeping=keeping(snapshots=AT_ONCE))
    with pytest.raises(Fenced):
        await housekeeper.tidy(shard, fence)
    with pytest.raises(Fenced):
        await housekeeper.tidy(shard, await world.ledger.fence(shard))
    assert (await world.only_case()).snapshotted_at is None


async def test_a_case_with_a_snapshot_survives_flushall_byte_for_byte(world: LedgerWorld) -> None:
    shard = await closed(world)
    await tidied(world, shard, after_close=AT_ONCE)
    await world.drain(shard)
    before = await world.only_case()
    await world.client.flushall()
    await world.recover(shard)
    assert dump_case(await world.only_case()) == dump_case(before)
