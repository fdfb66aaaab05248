"""A connector's host: reads pages of the network, publishes them, then moves its cursor.

Promises: a page may come in any order, be published half, be read again; the cursor moves only
behind a page that is acknowledged whole. What Kafka acknowledged is what the promise is about.
"""

from __future__ import annotations

from datetime import timedelta

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
from tests.simulation.world import START, Host, Signal, sleep

SOURCES = ("mentions", "own_posts")
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
        posts, dice = self._stage.network.posts, self._dice
        own = source == "own_posts"
        while True:
            begin = self._cursors.get(source, 0)
            found = [
                (place, post)
                for place, post in enumerate(posts[begin:], begin)
                if (post.kind == "posted") is own
            ][: dice.randint(1, 12)]
            if not found:
                await self._fed.wait(60.0)
                await sleep(dice.uniform(0.1, 20.0))
                continue
            page = [post for _, post in found]
            if dice.random() < 0.3:
                dice.shuffle(page)
            await self._publish(page)
            self._cursors[source] = found[-1][0] + 1

    async def _publish(self, page: list[Post]) -> None:
        dice, stage = self._dice, self._stage
        while page:
            chunk, page = page[:3], page[3:]
            heard = [self._heard(post) for post in chunk]
            while True:
                try:
                    packed = [_packed(record) for record in heard]
                    await stage.producer.send_batch(MENTIONS_RECEIVED.name, 0, packed)
                    break
                except RetryableError:
                    await sleep(dice.uniform(0.1, 2.0))
            for record in heard:
                stage.history.heard.setdefault(record.event_id, record)

    def _heard(self, post: Post) -> HeardRecord:
        if post.heard_at is None or self._dice.random() < 0.2:
            post.heard_at = self._stage.world.now
        heard_at = START + timedelta(microseconds=post.heard_at)
        conversation = ConversationRef(network=NETWORK, root=post.root)
        author = AuthorRef(id=post.author)
        if post.kind == "deleted":
            return MentionDeleted(
                account=ACCOUNT,
                native_id=post.native_id,
                conversation=conversation,
                heard_at=heard_at,
                author=author,
            )
        return _KINDS[post.kind](
            account=ACCOUNT,
            native_id=post.native_id,
            conversation=conversation,
            heard_at=heard_at,
            author=author,
            text=post.text,
            created_at=START + timedelta(microseconds=post.created_at),
            revision=str(post.revision),
            in_reply_to=post.in_reply_to,
        )


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
