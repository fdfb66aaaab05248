"""A shard comes back to what was promised, from the log and the inputs, whatever was lost."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from careline.domain.case import Case
from careline.ledger.effects import Effects
from careline.ledger.fence import Fence, Fenced, InputLost
from careline.ledger.outbox import packed_event
from careline.ledger.outboxes import drain
from careline.ledger.recovery import replay
from careline.ledger.store import key
from careline.runtime.embedded_valkey import EmbeddedValkey
from schemas import commands as c
from schemas.events import CaseOpened
from schemas.identity import shard_of
from schemas.topics import CASES_COMMANDS, CASES_EVENTS, MENTIONS_TRIAGED
from tests.support.ledger import PARTITIONS, LedgerWorld
from tests.support.stories import ANA, a_delete, a_mention, a_triage, an_own_post

TRIAGED = MENTIONS_TRIAGED.name


async def a_busy_day(world: LedgerWorld, *, mentions: int = 60, seed: int = 7) -> None:
    """Hear mentions of a few authors, remarks before and after queries, own posts, commands."""
    chance = random.Random(seed)
    now = datetime.now(UTC) - timedelta(hours=5)
    heard = []
    for n in range(mentions):
        at = now + timedelta(minutes=n)
        mention = a_mention(
            str(1000 + n),
            root=str(chance.randrange(6)),
            author=str(chance.randrange(3)),
            heard_at=at,
            created_at=at,
        )
        await world.hear(mention, a_triage(query=chance.random() < 0.5))
        heard.append(mention)
        if chance.random() < 0.2:
            target = chance.choice(heard)
            post = an_own_post(target, native_id=str(5000 + n))
            await world.hear(post.model_copy(update={"conversation": target.conversation}))
        if chance.random() < 0.1:
            await world.hear(a_delete(chance.choice(heard)))
        if n % 10 == 9:
            await world.pump()
            for shard in range(PARTITIONS):
                await world.applier.fire_due(shard)
            await commands(world, n)
    await world.pump()


async def commands(world: LedgerWorld, n: int) -> None:
    """Claim and answer some of the cases."""
    for i, case in enumerate(sorted((await world.cases()).values(), key=lambda one: one.case_id)):
        facts: dict[str, Any] = {
            "case_id": case.case_id,
            "issued_at": datetime.now(UTC),
            "actor": ANA,
        }
        if i % 3 == 0:
            await world.command(c.ClaimCase(command_id=f"claim-{n}-{i}", **facts))
        elif i % 3 == 1 and case.open_obligations:
            covers = tuple(found.mention_id for found in case.open_obligations)
            await world.command(
                c.ReplyToCase(command_id=f"reply-{n}-{i}", text="sorry!", covers=covers, **facts)
            )
    await world.pump()


def differences(before: dict[str, Case], after: dict[str, Case]) -> list[str]:
    """Return the cases that are not equal, with what differs."""
    found = []
    for case_id in before.keys() | after.keys():
        old, new = before.get(case_id), after.get(case_id)
        if old != new:
            names = [] if old is None or new is None else type(old).__dataclass_fields__
            found.append(
                f"{case_id}: {[n for n in names if getattr(old, n) != getattr(new, n)] or 'gone'}"
            )
    return found


async def test_the_first_start_is_the_recovery_of_nothing(world: LedgerWorld) -> None:
    for shard in range(PARTITIONS):
        fence = await world.ledger.fence(shard)
        (started,) = await world.events(shard)
        assert fence.healthy
        assert fence.n == started.offset
    assert await world.recover(0) == await world.ledger.fence(0)
    assert len(await world.events(0)) == 1


async def test_a_flushed_ledger_is_rebuilt_without_a_difference(world: LedgerWorld) -> None:
    await a_busy_day(world)
    await world.drain_all()
    before = await world.cases()
    lines = {
        line: await world.client.hgetall(key(line, "lines"))  # type: ignore[misc]
        for line in range(PARTITIONS)
    }
    due = [await world.ledger.due_times(shard) for shard in range(PARTITIONS)]
    positions = [(await world.ledger.position(n)).inputs for n in range(PARTITIONS)]

    await world.client.flushall()
    await world.recover_all()

    assert len(before) > 8
    assert differences(before, await world.cases()) == []
    assert [await world.ledger.due_times(shard) for shard in range(PARTITIONS)] == due
    assert [(await world.ledger.position(n)).inputs for n in range(PARTITIONS)] == positions
    for shard in range(PARTITIONS):
        rebuilt = await world.client.hgetall(key(shard, "lines"))  # type: ignore[misc]
        assert rebuilt.keys() == lines[shard].keys()
        assert (await world.ledger.position(shard)).outbox == 0


async def test_every_effect_without_an_outcome_counts_as_attempted_after_a_recovery(
    world: LedgerWorld,
) -> None:
    await a_busy_day(world, mentions=30)
    await world.drain_all()
    pending = {
        (shard, effect)
        for shard in range(PARTITIONS)
        for effect in await world.client.hkeys(key(shard, "effect"))  # type: ignore[misc]
    }
    await world.client.flushall()
    await world.recover_all()
    found = [
        one
        for executor in ("slack", "x:acme")
        for shard in range(PARTITIONS)
        for one in await Effects(world.ledger, executor).due(shard, 1000)
    ]
    assert {(one.shard, one.effect_id.encode()) for one in found} == pending
    assert all(one.unknown and one.attempts >= 1 for one in found)
    replies = [one for one in found if one.intent.kind == "reply"]
    assert replies
    for one in replies:
        assert await world.ledger.reply_text(one.effect_id, one.shard) == "sorry!"


async def test_queries_whose_events_never_reached_the_log_are_decided_anew(
    world: LedgerWorld,
) -> None:
    """FLUSHALL between commit and outbox: the log has a part of the cases only."""
    await a_busy_day(world, mentions=20)
    await world.drain_all()
    await a_busy_day(world, mentions=40, seed=8)
    before = await world.cases()
    await world.client.flushall()
    await world.recover_all()
    after = await world.cases()
    assert {
        (case.case_id, found.mention_id) for case in before.values() for found in case.obligations
    } == {(case.case_id, found.mention_id) for case in after.values() for found in case.obligations}
    for shard in range(PARTITIONS):
        due = await world.ledger.due_times(shard)
        async for case in world.ledger.cases(shard):
            assert not case.open_obligations or case.case_id in due


async def test_a_cause_of_which_the_log_has_a_part_is_decided_anew(world: LedgerWorld) -> None:
    """The sender died within a cause, then everything was lost: the obligation must not be."""
    shard = await world.hear(a_mention())
    await world.pump()
    fence = await world.ledger.fence(shard)
    _, entries = await world.ledger.script("outbox", shard, fence.value, 1)
    opened = packed_event(entries[0][1][1], epoch=fence.n or 0, parts=int(entries[0][1][3]))
    await world.producer.send_batch(CASES_EVENTS.name, shard, [opened])
    await world.client.flushall()

    await world.recover(shard)
    case = await world.only_case()
    assert len(case.open_obligations) == 1
    await world.drain(shard)

    await world.client.flushall()
    await world.recover(shard)
    assert await world.only_case() == case


async def test_an_intact_ledger_reads_nothing_and_keeps_everything(
    world: LedgerWorld, valkey: EmbeddedValkey
) -> None:
    await a_busy_day(world, mentions=30)
    before = await world.cases()
    outbox = [(await world.ledger.position(shard)).outbox for shard in range(PARTITIONS)]
    await valkey.kill()
    await valkey.restart()
    assert (await world.ledger.fence(0)).foreign
    await world.recover_all()
    assert differences(before, await world.cases()) == []
    assert [(await world.ledger.position(n)).outbox for n in range(PARTITIONS)] == outbox
    assert all([(await world.ledger.fence(shard)).healthy for shard in range(PARTITIONS)])


async def test_what_a_stale_outbox_sends_late_is_void(world: LedgerWorld) -> None:
    """A sender read under the old epoch; FLUSHALL, recovery, then its batch lands."""
    shard = await world.hear(a_mention())
    await world.pump()
    old = await world.ledger.fence(shard)
    _, entries = await world.ledger.script("outbox", shard, old.value, 10)
    stale = [
        packed_event(fields[1], epoch=old.n or 0, parts=int(fields[3])) for _, fields in entries
    ]
    forged = CaseOpened.model_validate_json(stale[0].value).model_copy(update={"queue": "stale"})
    stale[0] = replace(stale[0], value=forged.model_dump_json().encode())

    await world.client.flushall()
    await world.recover(shard)
    await world.producer.send_batch(CASES_EVENTS.name, shard, stale)
    with pytest.raises(Fenced):
        await world.ledger.script("trim", shard, old.value, entries[-1][0], 99)
    await world.drain(shard)
    before = await world.only_case()

    await world.client.flushall()
    await world.recover(shard)
    assert before.queue != "stale"
    assert await world.only_case() == before


async def test_of_two_recoveries_the_later_one_goes_on_and_the_earlier_is_fenced(
    world: LedgerWorld,
) -> None:
    await a_busy_day(world, mentions=30)
    await world.drain_all()
    before = await world.cases()
    await world.client.flushall()
    shard = shard_of("x:1", PARTITIONS)
    results = await asyncio.gather(
        *(world.recover(shard) for _ in range(2)), return_exceptions=True
    )
    fences = [one for one in results if isinstance(one, Fence)]
    assert all(isinstance(one, (Fence, Fenced)) for one in results)
    assert fences
    assert await world.ledger.fence(shard) == fences[-1]
    await world.recover_all()
    assert differences(before, await world.cases()) == []


class _Killed(Exception):
    pass


@pytest.mark.parametrize("at", ["announce", "absorb", "replay", "mark", "finish"])
async def test_a_killed_recovery_is_followed_by_another(world: LedgerWorld, at: str) -> None:
    await a_busy_day(world, mentions=30)
    await world.drain_all()
    before = await world.cases()
    await world.client.flushall()
    shard = shard_of("x:1", PARTITIONS)
    scripts = world.ledger.scripts
    original_run, original_many = scripts.run, scripts.run_many
    calls = {"announce": "", "absorb": "commit", "replay": "seed", "mark": "mark_unknown"}

    async def run(name: str, where: int, *args: Any) -> Any:
        if name == calls.get(at) or (at == "finish" and name == "set_epoch" and args[-1] == 1):
            raise _Killed
        return await original_run(name, where, *args)

    async def dying(*_: Any) -> int:
        raise _Killed

    scripts.run = run  # type: ignore[method-assign]
    producer = world.producer
    original_send = producer.send
    if at == "announce":
        producer.send = dying  # type: ignore[method-assign, assignment]
    with pytest.raises(_Killed):
        await world.recover(shard)
    scripts.run, scripts.run_many = original_run, original_many  # type: ignore[method-assign]
    producer.send = original_send  # type: ignore[method-assign]

    assert (await world.ledger.fence(shard)).recovering
    with pytest.raises(Fenced):
        await drain(world.ledger, producer, shard, await world.ledger.fence(shard))
    await world.recover_all()
    ids = {case_id: [o.mention_id for o in case.obligations] for case_id, case in before.items()}
    after = await world.cases()
    assert {i: [o.mention_id for o in case.obligations] for i, case in after.items()} == ids
    assert (await world.ledger.fence(shard)).healthy


async def test_records_lost_from_the_end_of_an_input_are_never_passed_over(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    fence = await world.ledger.fence(shard)
    await world.client.hset(key(shard, "in"), TRIAGED, "500")  # type: ignore[misc]
    await world.ledger.scripts.run("set_epoch", shard, fence.value, "recovering:x", 0)
    with pytest.raises(InputLost) as lost:
        await world.recover(shard)
    assert (lost.value.topic, lost.value.expected) == (TRIAGED, 501)


async def test_a_log_that_ends_before_what_was_absorbed_is_told(world: LedgerWorld) -> None:
    await world.client.set(key(1, "log"), "700|0")
    await world.client.delete(key(1, "epoch"))
    with pytest.raises(InputLost) as lost:
        await world.recover(1)
    assert lost.value.topic == CASES_EVENTS.name


async def test_a_gap_is_replayed_from_where_the_shard_stands(world: LedgerWorld) -> None:
    for n in range(5):
        shard = await world.hear(a_mention(str(100 + n), root="100"))
    records = await world.unread(TRIAGED, shard)
    await world.applier.apply(TRIAGED, {shard: records[:2]})
    end = await replay(world.ledger, shard, TRIAGED, 1, reader=world.reader, applier=world.applier)
    assert end == 5
    assert len((await world.only_case()).open_obligations) == 5


async def test_a_command_replayed_after_its_time_is_refused_in_the_open(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    await world.drain(shard)
    late = datetime.now(UTC) - timedelta(seconds=1)
    claim = c.ClaimCase(
        command_id="late", case_id=case.case_id, issued_at=late, not_after=late, actor=ANA
    )
    await world.command(claim)
    await world.client.flushall()
    await world.recover(shard)
    assert await world.ledger.result_of("late", shard) == "refused:too_late"
    assert (await world.only_case()).claim is None
    assert (await world.ledger.position(shard)).inputs[CASES_COMMANDS.name] == 0
