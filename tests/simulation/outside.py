"""Slack and the network: they keep a history, and lie about what they have done.

Promises: what a reader can see stands in `messages` and `posts` with its time. A call may be done
and its answer lost, be done up to 28 s after it was given up, be refused, or be told to come later.
Nothing lands later than that, unless its sender stood still between its check and its write.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from careline.ledger.outcomes import Blocked, Done, NotDone, Refused, Report, Unknown
from careline.runtime.errors import Unavailable
from tests.simulation.world import SECOND, Process, Waiting, World

CHANNEL = "C1"
TIMEOUT = 10 * SECOND
LATEST = 28 * SECOND
_REPLY = "reply click "
TYPED = "typed in the app "


@dataclass(slots=True)
class Message:
    """A message in Slack, as a reader sees it."""

    ts: str
    key: str
    case_id: str
    at: int
    late: bool
    """Its sender stood still between its check and its write."""
    version: int = 0
    covers: tuple[str, ...] = ()
    unsettled: str = ""


@dataclass(slots=True)
class Post:
    """A post on the network: an author's or the brand's."""

    native_id: str
    author: str
    root: str
    text: str
    at: int
    in_reply_to: str | None = None
    revision: int = 0
    kind: str = "received"
    """``received``, ``edited``, ``deleted`` or ``posted`` (by the brand)."""
    called_at: int = 0
    late: bool = False
    heard_at: int | None = None
    created_at: int = 0
    """When the post was first written, whatever its revision."""

    def later(self, span: int) -> Post:
        """Return a post of the stock as it appears in one schedule, so many µs later."""
        return replace(self, at=self.at + span, created_at=self.created_at + span)


@dataclass(slots=True)
class Troubles:
    """How a far side behaves now."""

    share: float = 0.0
    blocked: bool = False
    limited: bool = False


class Land(Protocol):
    """Does what a write call asks for."""

    def __call__(self, called_at: int, /, *, late: bool) -> Done:
        """Return where it stands."""
        ...


class FarSide:
    """What Slack and the network have in common: one write call with five classes of answers."""

    def __init__(self, world: World, name: str) -> None:
        """Behave well at first."""
        self.world = world
        self.troubles = Troubles()
        self.freezing: int = 0
        """µs that the next sender stands still between its check and its write."""
        self.dice: random.Random = world.dice(name)

    def write(self, what: str, land: Land) -> Waiting[Report]:
        """Make a write call; ``land`` does it, when it does."""
        return _Write(self, what, land)

    def read(self, look: Callable[[], Any]) -> Waiting[Any]:
        """Make a read call."""
        return _Read(self, look)


class _Write(Waiting[Report]):
    """Waits for the answer of a write call."""

    __slots__ = ("_called_at", "_fate", "_frozen", "_land", "_side", "_there", "_what")

    def __init__(self, side: FarSide, what: str, land: Land) -> None:
        self._side, self._what, self._land = side, what, land
        self._called_at = side.world.now
        self._frozen, side.freezing = side.freezing, 0
        self._there = 30_000 + int(side.dice.random() * 370_000)
        self._fate = side.dice.random()

    def begin(self, process: Process) -> None:
        side, there, world = self._side, self._there, self._side.world
        if self._frozen:
            process.host.freeze(self._frozen)
            world.after(self._frozen + there, self._arrive, process)
        elif side.troubles.blocked:
            process.later(there, Blocked("access was revoked"))
        elif side.troubles.limited and self._fate < 0.7:
            process.later(there, NotDone(side.dice.randint(1, 30)))
        elif self._fate >= side.troubles.share:
            world.after(there, self._arrive, process)
        else:
            self._goes_wrong(process)

    def _arrive(self, process: Process) -> None:
        process.resume(self._land(self._called_at, late=self._frozen > 0))

    def _goes_wrong(self, process: Process) -> None:
        there, dice, world = self._there, self._side.dice, self._side.world
        kind = dice.choice(("nothing", "cut", "late", "late", "refused", "limited"))
        world.tell(f"{self._what}: the call ends in «{kind}»")
        if kind == "refused":
            process.later(there, Refused("not allowed"))
        elif kind == "limited":
            process.later(there, NotDone(dice.randint(1, 30)))
        elif kind == "nothing":
            process.later(dice.choice((there, TIMEOUT)), Unknown("no answer"))
        elif kind == "cut":
            world.after(there, self._lands)
            process.later(there + dice.randint(0, TIMEOUT), Unknown("cut"))
        else:
            world.after(dice.randint(there, LATEST), self._lands)
            process.later(TIMEOUT, Unknown("timeout"))

    def _lands(self) -> None:
        """Do it, and answer nobody."""
        self._land(self._called_at, late=False)


class _Read(Waiting[Any]):
    """Waits for the answer of a read call."""

    __slots__ = ("_fails", "_look", "_side", "_there")

    def __init__(self, side: FarSide, look: Callable[[], Any]) -> None:
        self._side, self._look = side, look
        self._there = 30_000 + int(side.dice.random() * 270_000)
        self._fails = side.dice.random() < side.troubles.share

    def begin(self, process: Process) -> None:
        if self._fails or self._side.troubles.blocked:
            process.later(self._there, error=Unavailable("no answer"))
        else:
            self._side.world.after(self._there, self._arrive, process)

    def _arrive(self, process: Process) -> None:
        process.resume(self._look())


def _ignored(_: object) -> None:
    """Take what nobody waits for."""


@dataclass(slots=True)
class Shown:
    """What a card shows."""

    version: int
    covers: tuple[str, ...]
    unsettled: str


class Slack(FarSide):
    """One channel."""

    def __init__(self, world: World) -> None:
        """Begin empty."""
        super().__init__(world, "slack")
        self.messages: list[Message] = []
        self.by_ts: dict[str, Message] = {}
        self.by_key: dict[str, list[Message]] = {}
        self.seen: Callable[[Message], None] = _ignored
        """Told of each message that appears or changes."""

    def post(self, key: str, case_id: str, shown: Shown) -> Waiting[Report]:
        """chat.postMessage."""

        def land(_: int, *, late: bool) -> Done:
            same = self.by_key.setdefault(key, [])
            ts = f"{len(same) + 1}:{key}"
            message = Message(ts, key, case_id, self.world.now, late)
            message.version, message.covers = shown.version, shown.covers
            message.unsettled = shown.unsettled
            self.messages.append(message)
            self.by_ts[ts] = message
            same.append(message)
            self.world.tell(f"Slack shows {key}")
            self.seen(message)
            return Done(CHANNEL, ts, shown.version)

        return self.write(key, land)

    def find(self, key: str) -> Waiting[Message | None]:
        """Search the channel for a message's key."""
        return self.read(lambda: next(iter(self.by_key.get(key, ())), None))

    def update(self, ts: str, shown: Shown) -> Waiting[None]:
        """chat.update: the same as often as it is done."""

        def change() -> None:
            message = self.by_ts[ts]
            if shown.version > message.version:
                message.version, message.covers = shown.version, shown.covers
                message.unsettled = shown.unsettled
                self.seen(message)

        return self.read(change)


@dataclass
class Network(FarSide):
    """The brand's account: what authors and the brand post, in the order in which it appears."""

    world: World
    posts: list[Post] = field(default_factory=list)
    said: dict[str, list[Post]] = field(default_factory=dict)
    """What the brand posted, by its text."""
    answered: set[str] = field(default_factory=set)
    """Posts to which somebody of the brand has replied in the network's own app."""

    def __post_init__(self) -> None:
        """Begin empty."""
        super().__init__(self.world, "network")
        self.fed: Callable[[], None] = lambda: None

    def appear(self, post: Post) -> None:
        """Show something new."""
        self.posts.append(post)
        if post.kind == "posted":
            self.said.setdefault(post.text, []).append(post)
        if post.in_reply_to and post.text.startswith(TYPED):
            self.answered.add(post.in_reply_to)
        self.world.tell(f"network: {post.kind} {post.native_id}.{post.revision} {post.text!r}")
        self.fed()

    def reply(self, text: str, in_reply_to: str, root: str) -> Waiting[Report]:
        """Post as the brand, through the API."""

        def land(called_at: int, *, late: bool) -> Done:
            times = len(self.said.get(text, ()))
            native_id = f"9{text.removeprefix(_REPLY)}-{times}"
            self.appear(
                Post(
                    native_id,
                    "acme",
                    root,
                    text,
                    self.world.now,
                    in_reply_to=in_reply_to,
                    kind="posted",
                    called_at=called_at,
                    late=late,
                    created_at=self.world.now,
                )
            )
            return Done("", native_id)

        return self.write(text, land)

    def find(self, text: str, in_reply_to: str) -> Waiting[Post | None]:
        """Search the own timeline."""
        return self.read(
            lambda: next(
                (post for post in self.said.get(text, ()) if post.in_reply_to == in_reply_to), None
            )
        )
