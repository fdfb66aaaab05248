"""Agents: they look at cards, claim, reply, resolve, correct, snooze, settle, and press twice.

Promises: an agent acts on what a card showed when it was looked at, however old that is by then; a
click is stored before it is confirmed, so it is sent until Kafka has acknowledged it. What people
do with a case follows from the case and from the schedule's mood, not from the order of events.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from careline.domain.effects import reply_effect
from careline.runtime.errors import RetryableError
from schemas import commands as c
from schemas.envelope import Packed, pack
from schemas.identity import event_id
from schemas.topics import CASES_COMMANDS
from tests.simulation.outside import Message
from tests.simulation.stage import Stage
from tests.simulation.world import BEAT, MINUTE, SECOND, Host, on_grid, sleep

AGENTS = tuple(c.Actor(kind=c.ActorKind.AGENT, id=f"U{number}") for number in range(1, 4))
OPERATOR = c.Actor(kind=c.ActorKind.OPERATOR, id="O1")
_INDEXES = 3
_CHOICES = ("answer", "both answer", "resolve", "snooze", "correct", "escalate", "claim", "look")
_WEIGHTS = (44, 5, 36, 4, 4, 2, 3, 2)
_MOODS = 2
_LOOKS = 4
_IGNORED = 0.04
"""After so many looks people begin to do again what they did first."""


@dataclass(frozen=True, slots=True)
class Habit:
    """What people do at one look at a case."""

    delay: int
    at_the_card: bool
    choice: str
    agents: tuple[c.Actor, c.Actor]
    typing: int
    claims_first: bool
    waits: bool
    why: c.Disposition
    snooze: timedelta
    place: int
    query: bool
    valid: bool
    stored_late: bool
    again: int
    """When it is pressed again, or 0."""
    pause: int


@lru_cache(maxsize=65_536)
def habit(case: str, look: int, mood: int) -> Habit:
    """Return what people of a mood do at the so-many-th look at a case."""
    dice = random.Random(f"{case}/{look}/{mood}")
    one, other = dice.sample(AGENTS, 2)
    (choice,) = dice.choices(_CHOICES, _WEIGHTS)
    return Habit(
        delay=dice.randint(0, 4) * BEAT,
        at_the_card=dice.random() < 0.6,
        choice=choice,
        agents=(one, other),
        typing=dice.randint(1, 2) * BEAT,
        claims_first=dice.random() < 0.3,
        waits=dice.random() < 0.2,
        why=dice.choice((c.Disposition.NO_ANSWER_NEEDED, c.Disposition.SPAM)),
        snooze=timedelta(seconds=5 * dice.randint(6, 120)),
        place=dice.randint(0, 3),
        query=dice.random() < 0.5,
        valid=dice.random() < 0.5,
        stored_late=dice.random() < 0.03,
        again=dice.choice((5 * SECOND, 30 * SECOND, 5 * MINUTE)) if dice.random() < 0.05 else 0,
        pause=dice.randint(1, 8) * BEAT,
    )


@lru_cache(maxsize=65_536)
def ignored(case: str) -> bool:
    """Return whether a case is one that nobody ever looks at."""
    return random.Random(f"ignored {case}").random() < _IGNORED


class People:
    """The agents in front of Slack."""

    def __init__(self, stage: Stage, *, until: int) -> None:
        """Act until a time, then only look."""
        self._stage = stage
        self._until = until
        self._dice = stage.world.dice("people")
        self._mood = self._dice.randrange(_MOODS)
        self._beat = stage.beat
        self.host = Host(stage.world, "people", lambda _: None)
        self.host.start()
        self._busy: set[str] = set()
        self._looks: dict[str, int] = {}
        self._clicks: dict[str, int] = {}
        self._texts: dict[str, str] = {}
        self._last: Message | None = None
        stage.slack.seen = self._saw

    def _saw(self, message: Message) -> None:
        world, case = self._stage.world, message.case_id
        if not (message.covers or message.unsettled) or case in self._busy:
            return
        self._last = message
        if world.now > self._until or self._is_none_of_ours(case, message.covers):
            return
        self._busy.add(case)
        covers, unsettled = message.covers, message.unsettled
        look = self._looks[case] = self._looks.get(case, 0) + 1
        found = habit(case, look % _LOOKS, self._mood)
        world.at(
            on_grid(world.now, self._beat) + found.delay,
            lambda: self._act(message, covers, unsettled, found),
        )

    def _is_none_of_ours(self, case: str, covers: tuple[str, ...]) -> bool:
        """Whether nobody ever looks at a case, or all of it was answered in the network's app."""
        if ignored(case):
            return True
        answered = self._stage.network.answered
        return bool(covers) and all(mention.rpartition(":")[2] in answered for mention in covers)

    def _act(self, message: Message, covers: tuple[str, ...], unsettled: str, found: Habit) -> None:
        case = message.case_id
        self._busy.discard(case)
        if found.at_the_card:
            card = self._stage.slack.by_key.get(f"card:{case}", [message])[0]
            covers, unsettled = card.covers, card.unsettled
        if unsettled:
            self._settle(case, unsettled, found)
        elif covers:
            self._choose(message, covers, found)

    def _choose(self, message: Message, covers: tuple[str, ...], found: Habit) -> None:
        case = message.case_id
        agent, other = found.agents
        match found.choice:
            case "answer" | "both answer":
                self._answer(case, agent, covers, found)
                if found.choice == "both answer":
                    self._answer(case, other, covers, found)
                return
            case "resolve":
                self._ask(c.ResolveCase, case, agent, found, disposition=found.why, covers=covers)
                return
            case "snooze":
                later = self._stage.world.instant() + found.snooze
                self._ask(c.SnoozeCase, case, agent, found, until=later)
            case "correct":
                mention = covers[found.place % len(covers)]
                self._ask(
                    c.CorrectTriage, case, agent, found, mention_id=mention, query=found.query
                )
            case "escalate":
                self._ask(c.EscalateCase, case, agent, found)
            case "claim":
                self._ask(c.ClaimCase, case, agent, found)
            case _:
                pass
        # Look once more, some time after something that answers nobody.
        self._stage.world.after(found.pause, lambda: self._saw(message))

    def _answer(self, case: str, agent: c.Actor, covers: Sequence[str], found: Habit) -> None:
        if found.claims_first:
            self._ask(c.ClaimCase, case, agent, found)
        command_id = self._next_id(case)
        text = f"reply {command_id}"
        for effect in _effects(command_id, case):
            self._texts[effect] = text
        self._stage.world.after(
            found.typing,
            lambda: self._ask(
                c.ReplyToCase,
                case,
                agent,
                found,
                command_id=command_id,
                text=text,
                covers=tuple(covers),
                expects_answer=found.waits,
            ),
        )

    def _settle(self, case: str, effect: str, found: Habit) -> None:
        text = self._texts.get(effect)
        sent = text in self._stage.network.said
        self._stage.history.network_truth[effect] = sent
        self._ask(c.SettleReply, case, OPERATOR, found, effect_id=effect, sent=sent)

    # -- what a fault may ask of them -------------------------------------------------------------

    def correct_now(self, *, query: bool) -> None:
        """Correct what was seen last, at once."""
        if self._last is not None and self._last.covers:
            case, mention = self._last.case_id, self._last.covers[0]
            found = habit(case, 0, self._mood)
            self._ask(c.CorrectTriage, case, AGENTS[0], found, mention_id=mention, query=query)

    def claim_both(self) -> None:
        """Let two agents claim what was seen last in the same moment."""
        if self._last is not None and self._last.covers:
            case = self._last.case_id
            for agent in AGENTS[:2]:
                self._ask(c.ClaimCase, case, agent, habit(case, 0, self._mood))

    # -- clicks -----------------------------------------------------------------------------------

    def _next_id(self, case: str) -> str:
        number = self._clicks[case] = self._clicks.get(case, 0) + 1
        return f"click {case}.{number}"

    def _ask(self, kind: Any, case: str, actor: c.Actor, found: Habit, **facts: Any) -> None:
        world = self._stage.world
        now = world.instant()
        command_id = facts.pop("command_id", None) or self._next_id(case)
        not_after = now + timedelta(minutes=2) if found.valid else None
        command, packed = _packed(kind, command_id, case, now, not_after, actor, **facts)
        world.tell(f"{actor.id}: {command.type} {command.command_id} on {case}")
        # Now and then a click is stored so late that its time has passed.
        if found.stored_late:
            world.after(3 * MINUTE, lambda: self._store(command, packed))
        else:
            self._store(command, packed)
        if found.again:
            # Pressed twice, or stored somewhere and sent again when nobody expects it any more.
            world.after(found.again, lambda: self._store(command, packed))

    def _store(self, command: c.Command, packed: Packed) -> None:
        self.host.spawn(command.command_id, self._send(command, packed))

    async def _send(self, command: c.Command, packed: Packed) -> None:
        while True:
            try:
                await self._stage.producer.send(CASES_COMMANDS.name, 0, packed)
            except RetryableError:
                await sleep(self._dice.uniform(0.2, 2.0))
            else:
                self._stage.history.asked.setdefault(command.command_id, command)
                return


@lru_cache(maxsize=65_536)
def _effects(command_id: str, case: str) -> tuple[str, ...]:
    return tuple(reply_effect(event_id(command_id, case, index)) for index in range(_INDEXES))


@lru_cache(maxsize=65_536)
def _packed(  # noqa: PLR0917 - the facts of a click
    kind: Any,
    command_id: str,
    case: str,
    now: datetime,
    not_after: datetime | None,
    actor: c.Actor,
    **facts: Any,
) -> tuple[c.Command, Packed]:
    command = kind(
        command_id=command_id,
        case_id=case,
        issued_at=now,
        not_after=not_after,
        actor=actor,
        **facts,
    )
    packed = pack(
        command,
        type=f"command.{command.type}.v1",
        id=command.command_id,
        source="/slack",
        subject=command.case_id,
        time=command.issued_at,
        key=command.case_id,
    )
    return command, packed
