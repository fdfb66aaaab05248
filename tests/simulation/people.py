"""Agents: they look at cards, claim, reply, resolve, correct, snooze, settle, and press twice.

Promises: an agent acts on what a card showed when it was looked at, however old that is by then; a
click is stored before it is confirmed, so it is sent until Kafka has acknowledged it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from careline.domain.effects import reply_effect
from careline.runtime.errors import RetryableError
from schemas import commands as c
from schemas.envelope import pack
from schemas.identity import event_id
from schemas.topics import CASES_COMMANDS
from tests.simulation.outside import Message
from tests.simulation.stage import Stage
from tests.simulation.world import MINUTE, SECOND, Host, sleep

AGENTS = tuple(c.Actor(kind=c.ActorKind.AGENT, id=f"U{number}") for number in range(1, 4))
_INDEXES = 3
_CHOICES = ("answer", "both answer", "resolve", "snooze", "correct", "escalate", "claim", "look")
_WEIGHTS = (64, 7, 12, 5, 4, 2, 4, 2)


class People:
    """The agents in front of Slack."""

    def __init__(self, stage: Stage, *, until: int) -> None:
        """Act until a time, then only look."""
        self._stage = stage
        self._until = until
        self._dice = stage.world.dice("people")
        self._late = stage.world.dice("late clicks")
        self._host = Host(stage.world, "people", lambda _: None)
        self._host.start()
        self._busy: set[str] = set()
        self._count = 0
        self._texts: dict[str, str] = {}
        stage.slack.seen = self._saw

    def _saw(self, message: Message) -> None:
        world, case = self._stage.world, message.case_id
        if not (message.covers or message.unsettled) or case in self._busy:
            return
        if world.now > self._until:
            return
        self._busy.add(case)
        covers, unsettled = message.covers, message.unsettled
        delay = self._dice.randint(5 * SECOND, 6 * MINUTE)
        world.after(delay, lambda: self._act(message, covers, unsettled))

    def _act(self, message: Message, covers: tuple[str, ...], unsettled: str) -> None:
        dice, case = self._dice, message.case_id
        self._busy.discard(case)
        if dice.random() < 0.6:
            card = self._stage.slack.by_key.get(f"card:{case}", [message])[0]
            covers, unsettled = card.covers, card.unsettled
        if unsettled:
            self._settle(case, unsettled)
            return
        if not covers:
            return
        self._choose(message, covers)

    def _choose(self, message: Message, covers: tuple[str, ...]) -> None:
        dice, case = self._dice, message.case_id
        agent, other = dice.sample(AGENTS, 2)
        (choice,) = dice.choices(_CHOICES, _WEIGHTS)
        match choice:
            case "answer" | "both answer":
                self._answer(case, agent, covers)
                if choice == "both answer":
                    self._answer(case, other, covers)
                return
            case "resolve":
                why = dice.choice((c.Disposition.NO_ANSWER_NEEDED, c.Disposition.SPAM))
                self._ask(c.ResolveCase, case, agent, disposition=why, covers=covers)
                return
            case "snooze":
                later = self._stage.world.instant() + timedelta(minutes=dice.randint(1, 40))
                self._ask(c.SnoozeCase, case, agent, until=later)
            case "correct":
                mention, query = dice.choice(covers), dice.random() < 0.5
                self._ask(c.CorrectTriage, case, agent, mention_id=mention, query=query)
            case "escalate":
                self._ask(c.EscalateCase, case, agent)
            case "claim":
                self._ask(c.ClaimCase, case, agent)
            case _:
                pass
        self._again(message)

    def _again(self, message: Message) -> None:
        """Look once more, some time after something that answers nobody."""
        delay = self._dice.randint(1 * MINUTE, 12 * MINUTE)
        self._stage.world.after(delay, lambda: self._saw(message))

    def _answer(self, case: str, agent: c.Actor, covers: Sequence[str]) -> None:
        self._ask(c.ClaimCase, case, agent)
        text = f"reply {self._count + 1}"
        waits = self._dice.random() < 0.2
        delay = self._dice.randint(1 * SECOND, 90 * SECOND)
        command_id = self._next_id()
        for index in range(_INDEXES):
            self._texts[reply_effect(event_id(command_id, case, index))] = text
        self._stage.world.after(
            delay,
            lambda: self._ask(
                c.ReplyToCase,
                case,
                agent,
                command_id=command_id,
                text=text,
                covers=tuple(covers),
                expects_answer=waits,
            ),
        )

    def _settle(self, case: str, effect: str) -> None:
        text = self._texts.get(effect)
        sent = any(post.text == text for post in self._stage.network.posts)
        self._stage.history.network_truth[effect] = sent
        operator = c.Actor(kind=c.ActorKind.OPERATOR, id="O1")
        self._ask(c.SettleReply, case, operator, effect_id=effect, sent=sent)

    def _next_id(self) -> str:
        self._count += 1
        return f"click {self._count}"

    def _ask(self, kind: type[Any], case: str, actor: c.Actor, **facts: Any) -> None:
        now = self._stage.world.instant()
        dice = self._dice
        not_after = now + timedelta(minutes=4) if dice.random() < 0.5 else None
        command = kind(
            command_id=facts.pop("command_id", None) or self._next_id(),
            case_id=case,
            issued_at=now,
            not_after=not_after,
            actor=actor,
            **facts,
        )
        self._stage.world.tell(f"{actor.id}: {command.type} {command.command_id} on {case}")
        # Now and then a click is stored so late that its time has passed.
        late = 10 * MINUTE if self._late.random() < 0.03 else 0
        self._stage.world.after(
            late, lambda: _ignored(self._host.spawn(command.command_id, self._send(command)))
        )
        if dice.random() < 0.05:
            # Pressed twice, or stored somewhere and sent again when nobody expects it any more.
            later = dice.choice((1 * SECOND, 30 * SECOND, 25 * MINUTE))
            self._stage.world.after(
                later, lambda: _ignored(self._host.spawn("again", self._send(command)))
            )

    async def _send(self, command: c.Command) -> None:
        packed = pack(
            command,
            type=f"command.{command.type}.v1",
            id=command.command_id,
            source="/slack",
            subject=command.case_id,
            time=command.issued_at,
            key=command.case_id,
        )
        while True:
            try:
                await self._stage.producer.send(CASES_COMMANDS.name, 0, packed)
            except RetryableError:
                await sleep(self._dice.uniform(0.2, 2.0))
            else:
                self._stage.history.asked.setdefault(command.command_id, command)
                return


def _ignored(_: object) -> None:
    """Take what nobody needs."""
