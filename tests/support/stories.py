"""Builders for tests of the heart: a mention, a triage and a bench that plays a case's story.

Promises: every value has a default, so that a test names only what it is about; a story applies
decisions as the ledger does.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from careline.domain.case import Case, Line
from careline.domain.decide import (
    Cause,
    Decision,
    decide_brand_post,
    decide_command,
    decide_deadline,
    decide_delete,
    decide_mention,
)
from careline.domain.effects import Effect
from careline.domain.policy import Policy
from careline.domain.steps import next_due
from schemas import commands as c
from schemas import events as e
from schemas.identity import digest_of
from schemas.mentions import (
    AuthorRef,
    BrandPosted,
    ConversationRef,
    MentionDeleted,
    MentionEdited,
    MentionReceived,
    Visibility,
)
from schemas.triage import Triage, Urgency

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
ANA = c.Actor(kind=c.ActorKind.AGENT, id="U1", name="Ana")
BEN = c.Actor(kind=c.ActorKind.AGENT, id="U2", name="Ben")


def a_mention(native_id: str = "100", **facts: Any) -> MentionReceived:
    """Return a mention of author 7 in thread 100 of @acme."""
    values: dict[str, Any] = {
        "account": "acme",
        "native_id": native_id,
        "conversation": ConversationRef(
            network="x",
            root=facts.pop("root", "100"),
            visibility=facts.pop("visibility", Visibility.PUBLIC),
        ),
        "author": AuthorRef(id=facts.pop("author", "7")),
        "text": "my parcel never came, can you help?",
        "created_at": START,
        "heard_at": START,
    }
    return MentionReceived(**(values | facts))


def an_edit(mention: MentionReceived, **facts: Any) -> MentionEdited:
    """Return a later revision of a mention."""
    values = mention.model_dump(exclude={"kind"})
    return MentionEdited(**(values | {"revision": "1"} | facts))


def a_delete(mention: MentionReceived) -> MentionDeleted:
    """Return the withdrawal of a mention."""
    return MentionDeleted(
        account=mention.account,
        native_id=mention.native_id,
        conversation=mention.conversation,
        author=mention.author,
        heard_at=mention.heard_at,
    )


def an_own_post(to: MentionReceived, native_id: str = "900", text: str = "sorry!") -> BrandPosted:
    """Return the brand's own post in reply to a mention."""
    return BrandPosted(
        account=to.account,
        native_id=native_id,
        conversation=to.conversation,
        author=AuthorRef(id="acme"),
        text=text,
        created_at=to.created_at + timedelta(minutes=5),
        heard_at=to.heard_at + timedelta(minutes=5),
        in_reply_to=to.native_id,
    )


def a_triage(**facts: Any) -> Triage:
    """Return the triage of an ordinary query."""
    values: dict[str, Any] = {"query": True, "urgency": Urgency.NORMAL, "model": "test"}
    return Triage(**(values | facts))


class Story:
    """One line of an author, played decision by decision; keeps everything that came of it."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.now = START
        self.line = Line()
        self.cases: dict[str, Case] = {}
        self.events: list[e.CaseEvent] = []
        self.effects: list[Effect] = []
        self.refusals: list[e.CommandRefused] = []
        self.heard: set[str] = set()
        self._ids = count()

    @property
    def case(self) -> Case | None:
        """The case of the current episode."""
        return self.cases.get(self.line.case_id) if self.line.case_id else None

    @property
    def current(self) -> Case:
        """The case of the current episode, which must exist."""
        assert self.case is not None
        return self.case

    def cause(self, name: str | None = None) -> Cause:
        """Return a cause of its own."""
        text = name or f"cause-{next(self._ids)}"
        return Cause(id=text, digest=digest_of(text.encode()))

    def take(self, decision: Decision, *, heard: str | None = None) -> Decision:
        """Apply a decision as the ledger does: a cause it has seen changes nothing."""
        if heard is not None:
            if heard in self.heard:
                return Decision(case=self.case)
            self.heard.add(heard)
        self.events.extend(decision.events)
        self.effects.extend(decision.effects)
        if decision.line is not None:
            self.line = decision.line
        if decision.case is not None and decision.events:
            self.cases[decision.case.case_id] = decision.case
        if decision.refusal is not None:
            self.refusals.append(decision.refusal)
        return decision

    def pass_time(self, **amount: float) -> None:
        """Let time pass without firing anything."""
        self.now += timedelta(**amount)

    def hear(
        self,
        mention: MentionReceived | MentionEdited,
        triage: Triage | None = None,
        *,
        awaited: str | None = None,
    ) -> Decision:
        """Hear a mention or an edit."""
        return self.take(
            decide_mention(
                mention,
                triage or a_triage(),
                case=self.case,
                line=self.line,
                awaited=awaited,
                cause=self.cause(mention.event_id),
                now=self.now,
                policy=self.policy,
            ),
            heard=mention.event_id,
        )

    def withdraw(self, mention: MentionReceived) -> Decision:
        """Hear that a mention was deleted."""
        deleted = a_delete(mention)
        return self.take(
            decide_delete(
                deleted,
                case=self.case,
                cause=self.cause(deleted.event_id),
                now=self.now,
                policy=self.policy,
            ),
            heard=deleted.event_id,
        )

    def brand_posts(self, post: BrandPosted, to: MentionReceived) -> Decision:
        """Hear the brand's own post."""
        return self.take(
            decide_brand_post(
                post,
                target=to.order,
                case=self.case,
                line=self.line,
                cause=self.cause(post.event_id),
                now=self.now,
                policy=self.policy,
            ),
            heard=post.event_id,
        )

    def command(self, kind: type[Any], *, actor: c.Actor = ANA, **facts: Any) -> Decision:
        """Give a command on the current case."""
        cause = self.cause()
        case_id = facts.pop("case_id", self.line.case_id or "s00-0000000000000000-1")
        command = kind(
            command_id=cause.id, case_id=case_id, issued_at=self.now, actor=actor, **facts
        )
        return self.take(
            decide_command(
                command,
                case=self.cases.get(case_id),
                cause=cause,
                now=self.now,
                policy=self.policy,
            )
        )

    def outcome(self, effect_id: str, outcome: c.Outcome = c.Outcome.DONE, **facts: Any) -> None:
        """Report what became of an effect."""
        executor = c.Actor(kind=c.ActorKind.EXECUTOR, id="test")
        values = {"effect_id": effect_id, "attempt": 1, "outcome": outcome} | facts
        self.command(c.RecordOutcome, actor=executor, **values)

    def fire(self) -> Decision:
        """Fire the one step that is due now."""
        return self.take(decide_deadline(self.current, now=self.now, policy=self.policy))

    def next_step(self) -> Decision:
        """Move the clock to the next step and fire it."""
        due = next_due(self.current)
        assert due is not None
        self.now = max(self.now, due)
        return self.fire()

    def open_ids(self) -> tuple[str, ...]:
        """Return the mention ids of the open queries, as a card shows them."""
        return tuple(found.mention_id for found in self.current.open_obligations)


def types(events: Iterable[e.CaseEvent]) -> list[str]:
    """Return the types of events, in order."""
    return [event.type for event in events]
