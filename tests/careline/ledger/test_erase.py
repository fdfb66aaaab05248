"""An erased author's words and names are nowhere in the ledger, and no replay brings them back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from careline.ledger import erase
from careline.ledger.erase import Author
from careline.ledger.housekeeping import Housekeeper
from careline.ledger.keeping import Keeping
from careline.ledger.store import key
from schemas import commands as c
from schemas.events import LOG, AuthorErased
from schemas.identity import author_hash
from schemas.mentions import AuthorRef, MediaRef, MentionReceived
from tests.careline.ledger.test_rebuild import rebuilt
from tests.support.ledger import PARTITIONS, LedgerWorld
from tests.support.stories import ANA, a_mention, a_triage, an_edit, an_own_post

JANE = Author("x", "7")
SECRETS = (b"Tulpenweg", b"janedoe77", b"Jane Doe", b"jane-photo", b"Dear Jane")


def jane_says(native_id: str, **facts: Any) -> MentionReceived:
    """Return a mention of the author who will be erased, full of what must go."""
    return a_mention(
        native_id,
        **{
            "author": "7",
            "text": "it was to be sent to Tulpenweg 5",
            "url": f"https://x.com/janedoe77/status/{native_id}",
            "media": (MediaRef(kind="photo", url="https://pics.example/jane-photo.png"),),
            "heard_at": datetime.now(UTC) - timedelta(minutes=1),
        }
        | facts,
    ).model_copy(update={"author": AuthorRef(id="7", handle="janedoe77", name="Jane Doe")})


async def everything(world: LedgerWorld) -> bytes:
    """Return every value of every key of the server, as bytes."""
    found: list[bytes] = []
    for name in await world.client.keys("*"):
        kind = (await world.client.type(name)).decode()
        match kind:
            case "string":
                found.append(await world.client.get(name) or b"")
            case "hash":
                for pair in (await world.client.hgetall(name)).items():  # type: ignore[misc]
                    found += pair
            case "zset":
                found += await world.client.zrange(name, 0, -1)
            case "stream":
                found += [
                    part
                    for _, fields in await world.client.xrange(name)
                    for part in fields.values()
                ]
            case _:
                raise AssertionError(kind)
    return b"\n".join(found)


def hits(everything: bytes) -> list[bytes]:
    """Return what should have gone and is there."""
    return [secret for secret in SECRETS if secret in everything]


async def a_history(world: LedgerWorld) -> None:
    """Let Jane write in several threads, somebody else in between, and the brand answer."""
    for n in range(6):
        mention = jane_says(str(100 + n), root=str(100 + n))
        reasons = ("says 'Tulpenweg 5'",)
        await world.hear(mention, a_triage(reasons=reasons))
        if n == 2:
            await world.hear(an_edit(mention, text="no, to Tulpenweg 6"))
        if n == 3:
            post = an_own_post(mention, native_id="903", text="Dear Jane, sorry")
            await world.hear(post.model_copy(update={"heard_at": mention.heard_at}))
    await world.hear(a_mention("200", root="200", author="8", text="where is my own parcel?"))
    await world.pump()
    case = next(one for one in (await world.cases()).values() if one.root == "100")
    facts: dict[str, Any] = {
        "case_id": case.case_id,
        "issued_at": datetime.now(UTC),
        "actor": ANA,
    }
    covers = tuple(found.mention_id for found in case.open_obligations)
    await world.command(
        c.ReplyToCase(command_id="r", text="Dear Jane, it is at Tulpenweg", covers=covers, **facts)
    )
    await world.pump()
    reply = (await world.cases())[case.case_id].reply
    assert reply is not None
    for effect, done in ((reply.effect_id, "o1"), (f"card:{case.case_id}", "o2")):
        await world.command(
            c.RecordOutcome(
                command_id=done,
                effect_id=effect,
                attempt=1,
                outcome=c.Outcome.DONE,
                channel="C1",
                native_id="1.1",
                **facts,
            )
        )
    await world.pump()


async def erased(world: LedgerWorld) -> erase.Swept:
    """Erase Jane as the command line does."""
    sent = await erase.announce(world.producer, JANE, partitions=PARTITIONS)
    await world.pump()
    assert await erase.not_taken_in(world.ledger, sent, within=0.0) == []
    total = erase.Swept()
    for shard in range(PARTITIONS):
        swept = await erase.sweep(world.ledger, shard, JANE)
        total.mentions += swept.mentions
        total.replies += swept.replies
        total.cards += swept.cards
    return total


async def test_no_value_of_the_server_holds_a_word_or_name_of_an_erased_author(
    world: LedgerWorld,
) -> None:
    await a_history(world)
    assert sorted(hits(await everything(world))) == sorted(SECRETS)
    before = await world.cases()
    swept = await erased(world)
    assert hits(await everything(world)) == []
    assert (swept.mentions, swept.replies, swept.cards) == (7, 1, 1)
    assert await world.cases() == before, "nobody's query is dropped with its words"
    assert b"where is my own parcel?" in await everything(world)


async def test_the_cards_of_an_erased_author_are_asked_for_anew(world: LedgerWorld) -> None:
    await a_history(world)
    case = next(one for one in (await world.cases()).values() if one.card is not None)
    shard = int(case.case_id[1:3])
    await world.client.delete(key(shard, "refresh"))
    await erased(world)
    assert await world.client.zscore(key(shard, "refresh"), case.case_id) == case.version
    shown = await world.ledger.read_mention(case.obligations[0].mention_id, shard)
    assert shown is not None
    assert isinstance(shown.heard, MentionReceived)
    assert (shown.heard.text, shown.heard.author.handle, shown.heard.author.id) == ("", "", "7")
    assert shown.triage is not None
    assert shown.triage.query


async def test_an_erased_text_does_not_come_back_by_a_flush_or_a_rebuild(
    world: LedgerWorld,
) -> None:
    await a_history(world)
    await erased(world)
    await world.drain_all()
    before = await world.cases()
    await world.client.flushall()
    await world.recover_all()
    assert hits(await everything(world)) == []
    for shard in range(PARTITIONS):
        await rebuilt(world, shard)
    assert hits(await everything(world)) == []
    assert await world.cases() == before


async def test_a_flush_before_the_tombstone_is_in_the_log_brings_nothing_back(
    world: LedgerWorld,
) -> None:
    await a_history(world)
    await world.drain_all()
    await erased(world)
    await world.client.flushall()
    await world.recover_all()
    # The command is decided anew behind the words; the housekeeping sweeps behind the command.
    for shard in range(PARTITIONS):
        fence = await world.ledger.fence(shard)
        await Housekeeper(world.ledger, keeping=Keeping(replies=-timedelta(days=1))).tidy(
            shard, fence
        )
    assert hits(await everything(world)) == []


async def test_words_heard_again_from_the_topic_stay_away_and_new_ones_are_kept(
    world: LedgerWorld,
) -> None:
    await a_history(world)
    await erased(world)
    await world.hear(jane_says("100", root="100"))
    await world.pump()
    assert hits(await everything(world)) == []
    later = datetime.now(UTC) + timedelta(minutes=1)
    await world.hear(jane_says("300", root="300", heard_at=later))
    await world.pump()
    assert b"Tulpenweg" in await everything(world)


async def test_the_log_remembers_an_erasure_by_a_hash_alone(world: LedgerWorld) -> None:
    await a_history(world)
    await erased(world)
    await world.drain_all()
    for shard in range(PARTITIONS):
        found = [
            event
            for one in await world.events(shard)
            if isinstance(event := LOG.validate_json(one.value or b""), AuthorErased)
        ]
        assert [event.author_hash for event in found] == [author_hash("x", "7")]
        log = b"".join(one.value or b"" for one in await world.events(shard))
        assert hits(log) == []


async def test_a_dry_look_changes_nothing(world: LedgerWorld) -> None:
    await a_history(world)
    before = await everything(world)
    found = [await erase.held(world.ledger, shard, JANE) for shard in range(PARTITIONS)]
    assert sum(len(one.mentions) for one in found) == 7
    assert sum(len(one.cases) for one in found) == 6
    assert sorted(await everything(world)) == sorted(before)


async def test_a_shard_that_has_not_taken_it_in_is_named(world: LedgerWorld) -> None:
    sent = await erase.announce(world.producer, JANE, partitions=PARTITIONS)
    assert await erase.not_taken_in(world.ledger, sent, within=0.3) == list(range(PARTITIONS))


async def test_a_tombstone_leaves_after_its_time(world: LedgerWorld) -> None:
    await erased(world)
    shard = 0
    housekeeper = Housekeeper(world.ledger)
    fence = await world.ledger.fence(shard)
    assert (await housekeeper.tidy(shard, fence)).finished
    assert await world.client.hlen(key(shard, "erased")) == 1  # type: ignore[misc]
    soon = Housekeeper(world.ledger, keeping=Keeping(tombstones=timedelta(0)))
    assert (await soon.tidy(shard, fence)).finished
    assert await world.client.hlen(key(shard, "erased")) == 0  # type: ignore[misc]
