"""A connector's host: reads pages of the network, publishes them, then moves its cursor.

Promises: a page may come in any order, be published half, be read again; the cursor moves only
behind a page that is acknowledged whole. What Kafka acknowledged is what the promise is about.
"""

from __future__ import annotations

from functools import lru_cache

from careline.runtime.errors import RetryableError
from schemas.envelope import Packed, pack
from schemas.mentions import (
    AuthorRef,
    BrandPosted,
    ConversationRef,
    HeardRecord,
    MentionDeleted,
    MentionEdited,
    MentionReceived,
)
from schemas.topics import MENTIONS_RECEIVED
from tests.simulation.outside import Post
from tests.simulation.stage import ACCOUNT, NETWORK, Stage
from tests.simulation.world import BEAT, GRID, Host, Signal, instant_of, pause, sleep

SOURCES = ("mentions", "own_posts")
_EVERY = BEAT
"""Between two looks at the network."""
_CHUNK = 8
_KINDS = {"received": MentionReceived, "edited": MentionEdited, "posted": BrandPosted}


class Connector:
    """The processes of the connector: one for each source."""

    def __init__(self, stage: Stage, host: Host, cursors: dict[str, int], fed: Signal) -> None:
        """``cursors`` outlive the host."""
        self._stage = stage
        self._dice = stage.world.dice(f"{host.name}/{stage.world.now}")
        self._cursors = cursors
        self._fed = fed
        for source in SOURCES:
            host.spawn(source, self._read(source))

    async def _read(self, source: str) -> None:
        posts, dice, world = self._stage.network.posts, self._dice, self._stage.world
        own = source == "own_posts"
        while True:
            begin = self._cursors.get(source, 0)
            found = [
                (place, post)
                for place, post in enumerate(posts[begin:], begin)
                if (post.kind == "posted") is own
            ][: dice.randint(4, 24)]
            if not found:
                await self._fed.wait(60.0)
                looks = dice.choice((1, 1, 1, 2))
                await pause(looks * _EVERY - world.now % _EVERY)
                continue
            page = [post for _, post in found]
            if dice.random() < 0.3:
                dice.shuffle(page)
            await self._publish(page)
            self._cursors[source] = found[-1][0] + 1

    async def _publish(self, page: list[Post]) -> None:
        dice, stage = self._dice, self._stage
        while page:
            chunk, page = page[:_CHUNK], page[_CHUNK:]
            heard = [self._heard(post) for post in chunk]
            packed = [found for _, found in heard]
            while True:
                try:
                    await stage.producer.send_batch(MENTIONS_RECEIVED.name, 0, packed)
                    break
                except RetryableError:
                    await sleep(dice.uniform(0.1, 2.0))
            for record, _ in heard:
                stage.history.heard.setdefault(record.event_id, record)

    def _heard(self, post: Post) -> tuple[HeardRecord, Packed]:
        if post.heard_at is None or self._dice.random() < 0.2:
            now = self._stage.world.now
            post.heard_at = now - now % GRID
        return _record(
            post.kind,
            post.native_id,
            post.author,
            post.root,
            post.text,
            post.revision,
            post.in_reply_to,
            post.created_at,
            post.heard_at,
        )


@lru_cache(maxsize=65_536)
def _record(  # noqa: PLR0913, PLR0917 - the facts of a post
    kind: str,
    native_id: str,
    author: str,
    root: str,
    text: str,
    revision: int,
    in_reply_to: str | None,
    created_at: int,
    heard_at: int,
) -> tuple[HeardRecord, Packed]:
    conversation = ConversationRef(network=NETWORK, root=root)
    record: HeardRecord
    if kind == "deleted":
        record = MentionDeleted(
            account=ACCOUNT,
            native_id=native_id,
            conversation=conversation,
            heard_at=instant_of(heard_at),
            author=AuthorRef(id=author),
        )
    else:
        record = _KINDS[kind](
            account=ACCOUNT,
            native_id=native_id,
            conversation=conversation,
            heard_at=instant_of(heard_at),
            author=AuthorRef(id=author),
            text=text,
            created_at=instant_of(created_at - created_at % GRID),
            revision=str(revision),
            in_reply_to=in_reply_to,
        )
    return record, _packed(record)


def _packed(record: HeardRecord) -> Packed:
    return pack(
        record,
        type=f"mention.{record.kind}.v1",
        id=record.event_id,
        source="/x/acme",
        subject=record.mention_id,
        time=record.heard_at,
        key=record.conversation.key,
        extensions={"cursor": "0"},
    )
