"""Records become cases in one step with their place in the input, and only once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from careline.domain.case import CaseStatus, ObligationStatus
from careline.ledger.store import key
from schemas import commands as c
from schemas.events import LOG, CommandRefused, Refusal
from schemas.topics import CASES_COMMANDS, MENTIONS_TRIAGED
from schemas.triage import Triage
from tests.support.ledger import PARTITIONS, LedgerWorld, a_record, packed_command
from tests.support.stories import (
    ANA,
    BEN,
    START,
    a_delete,
    a_mention,
    a_triage,
    an_edit,
    an_own_post,
)

TRIAGED = MENTIONS_TRIAGED.name


def a_claim(case_id: str, command_id: str = "claim-1", **facts: Any) -> c.ClaimCase:
    """Return Ana's claim of a case."""
    values = {"command_id": command_id, "case_id": case_id, "issued_at": START, "actor": ANA}
    return c.ClaimCase(**(values | facts))


def a_reply(case_id: str, covers: Sequence[str], text: str = "on its way") -> c.ReplyToCase:
    """Return Ana's reply."""
    return c.ReplyToCase(
        command_id="reply-1",
        case_id=case_id,
        issued_at=START,
        actor=ANA,
        text=text,
        covers=tuple(covers),
    )


async def refusals(world: LedgerWorld, shard: int) -> list[CommandRefused]:
    """Return the refusals in the log."""
    await world.drain(shard)
    bodies = [LOG.validate_json(record.value or b"") for record in await world.events(shard)]
    return [body for body in bodies if isinstance(body, CommandRefused)]


async def test_a_query_opens_a_case_with_a_deadline_and_its_events_reach_the_log(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention())
    (applied,) = await world.pump()

    case = await world.only_case()
    due = await world.ledger.due_times(shard)
    sent = await world.drain(shard)
    log = await world.events(shard)

    assert applied.outbox == {shard}
    assert [found.mention_id for found in case.open_obligations] == ["x:acme:100"]
    assert due[case.case_id] == case.obligations[0].at_risk_at
    assert sent == 2
    assert [dict(record.headers)["ce_type"] for record in log[-2:]] == [
        b"com.careline.case.opened.v1",
        b"com.careline.obligation.added.v1",
    ]


async def test_several_records_of_a_case_in_one_batch_build_on_each_other(
    world: LedgerWorld,
) -> None:
    mentions = [a_mention(str(100 + n), root="100") for n in range(5)]
    for mention in mentions:
        shard = await world.hear(mention)
    (applied,) = await world.pump()
    case = await world.only_case()
    assert applied.done == 5
    assert len(case.open_obligations) == 5
    assert (await world.ledger.position(shard)).inputs[TRIAGED] == 4


async def test_a_record_that_comes_again_changes_nothing(world: LedgerWorld) -> None:
    await world.hear(a_mention())
    shard = await world.hear(a_mention())
    (applied,) = await world.pump()
    before = await world.only_case()
    records = await world.records(TRIAGED, shard)
    again = await world.applier.apply(TRIAGED, {shard: records})

    assert (applied.done, applied.repeats) == (1, 1)
    assert (again.done, again.repeats) == (0, 2)
    assert await world.only_case() == before


async def test_a_conflict_is_read_and_decided_anew(world: LedgerWorld) -> None:
    """Another worker moves the case between this one's read and its commit."""
    shard = await world.hear(a_mention("100"))
    await world.pump()
    case = await world.only_case()
    second = a_mention("101", root="100")
    await world.hear(second)
    records = await world.unread(TRIAGED, shard)
    claim = a_record(CASES_COMMANDS.name, shard, 0, packed_command(a_claim(case.case_id)))
    scripts = world.ledger.scripts
    original = scripts.run_many
    raced = False

    async def racing(name: str, calls: Any) -> Any:
        nonlocal raced
        if name == "commit" and not raced:
            raced = True
            await world.applier.apply(CASES_COMMANDS.name, {shard: [claim]})
        return await original(name, calls)

    scripts.run_many = racing  # type: ignore[method-assign]
    applied = await world.applier.apply(TRIAGED, {shard: records})
    scripts.run_many = original  # type: ignore[method-assign]

    case = await world.only_case()
    assert applied.conflicts == 1
    assert case.status is CaseStatus.CLAIMED
    assert len(case.open_obligations) == 2
    assert case.version == 4
    assert (await world.ledger.position(shard)).inputs[TRIAGED] == 1


async def test_the_first_claim_wins_and_the_loser_learns_who_has_it(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    await world.command(a_claim(case.case_id))
    await world.command(a_claim(case.case_id, "claim-2", actor=BEN))
    await world.pump()

    case = await world.only_case()
    (refused,) = await refusals(world, shard)
    assert case.claim is not None
    assert case.claim.holder == ANA
    assert (refused.reason, refused.holder) == (Refusal.ALREADY_CLAIMED, ANA)
    assert await world.ledger.result_of("claim-2", shard) == "refused:already_claimed"


async def test_the_same_key_with_another_body_is_refused_once(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    await world.command(a_claim(case.case_id))
    for _ in range(2):
        await world.command(a_claim(case.case_id, issued_at=START + timedelta(minutes=1)))
    await world.pump()
    (refused,) = await refusals(world, shard)
    assert refused.reason is Refusal.SAME_KEY_OTHER_BODY


async def test_a_command_on_no_case_is_refused_where_it_came_in(world: LedgerWorld) -> None:
    await world.command(a_claim("s02-0000000000000000-1"))
    await world.command(a_claim("nonsense|\n", "claim-2"))
    await world.pump()
    assert [found.reason for found in await refusals(world, 2)] == [Refusal.NO_SUCH_CASE]
    assert [found.reason for found in await refusals(world, 0)] == [Refusal.NO_SUCH_CASE]


async def test_a_command_in_a_wrong_partition_is_sent_on_and_not_applied(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    wrong = (shard + 1) % PARTITIONS
    await world.producer.send(CASES_COMMANDS.name, wrong, packed_command(a_claim(case.case_id)))
    await world.pump()
    assert world.forwarded == [(shard, "claim-1")]
    await world.pump()
    assert (await world.only_case()).status is CaseStatus.CLAIMED


async def test_an_own_post_answers_the_mention_it_replies_to(world: LedgerWorld) -> None:
    mention = a_mention()
    await world.hear(mention)
    await world.hear(an_own_post(mention))
    await world.pump()
    assert (await world.only_case()).status is CaseStatus.ANSWERED


async def test_an_own_post_heard_before_its_mention_answers_it_when_it_comes(
    world: LedgerWorld,
) -> None:
    mention = a_mention()
    await world.hear(an_own_post(mention))
    await world.pump()
    await world.hear(mention)
    await world.pump()
    case = await world.only_case()
    assert case.obligations[0].status is ObligationStatus.ANSWERED


async def test_a_withdrawn_mention_closes_and_its_text_is_gone(world: LedgerWorld) -> None:
    mention = a_mention(text="a secret")
    shard = await world.hear(mention)
    await world.hear(a_delete(mention))
    await world.hear(mention)
    await world.pump()
    stored = await world.ledger.read_mention(mention.mention_id, shard)
    assert (await world.only_case()).status is CaseStatus.RESOLVED
    assert stored is not None
    assert getattr(stored.heard, "text", None) == ""


async def test_the_text_store_keeps_the_latest_revision_whatever_comes_late(
    world: LedgerWorld,
) -> None:
    mention = a_mention(text="first")
    edit = an_edit(mention, text="second")
    shard = await world.hear(edit)
    await world.hear(mention)
    await world.pump()
    stored = await world.ledger.read_mention(mention.mention_id, shard)
    assert stored is not None
    assert getattr(stored.heard, "text", None) == "second"


@pytest.mark.parametrize("seed", range(3))
async def test_what_comes_five_times_and_in_any_order_is_one_query_in_its_last_words(
    world: LedgerWorld, seed: int
) -> None:
    mention = a_mention(text="first")
    edits = [an_edit(mention, text=f"words {n}", revision=str(n)) for n in (1, 2)]
    deliveries = [mention, *edits] * 5
    random.Random(seed).shuffle(deliveries)
    for number, heard in enumerate([edits[0], *deliveries]):  # edited before it was created
        shard = await world.hear(heard)
        if number % 4 == 0:
            await world.pump()
    await world.pump()
    case = await world.only_case()
    assert [each.mention_id for each in case.open_obligations] == [mention.mention_id]
    assert len(case.obligations) == 1
    stored = await world.ledger.read_mention(mention.mention_id, shard)
    assert stored is not None
    assert getattr(stored.heard, "text", None) == "words 2"


async def test_a_repeat_that_triage_now_takes_for_a_query_becomes_one(world: LedgerWorld) -> None:
    await world.hear(a_mention("100"))
    remark = a_mention("101", root="100", text="thanks")
    await world.hear(remark, a_triage(query=False))
    await world.pump()
    assert (await world.only_case()).noted == ("x:acme:101",)
    await world.hear(remark, Triage(query=True, failed=True, model="none"))
    await world.pump()
    case = await world.only_case()
    assert [found.mention_id for found in case.open_obligations] == ["x:acme:100", "x:acme:101"]


async def test_a_reply_keeps_its_text_and_asks_for_an_effect(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    await world.command(a_reply(case.case_id, ["x:acme:100"]))
    await world.pump()
    case = await world.only_case()
    assert case.reply is not None
    assert await world.ledger.reply_text(case.reply.effect_id, shard) == "on its way"
    effects = await world.client.zrange(key(shard, "effects:x:acme"), 0, -1)
    assert effects == [case.reply.effect_id.encode()]
