"""Scripted support agents: they watch the stand-in Slack and work cards as people do.

Promise: they see only what is on the page and use only controls that are on it; which cards they
take up is decided by seed and case alone, so the same stream gives the same work. What they did is
counted; a click that was not acknowledged counts as an error, never as done.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import aiohttp

from careline.sandbox.common.wire import Json, dumps
from careline.sandbox.controls import control_of, controls, first_choices, is_case

if TYPE_CHECKING:
    from types import TracebackType

CLAIM, REPLY, SNOOZE, RESOLVE = "case_claim", "case_reply", "case_snooze", "case_resolve"
OPENINGS = (
    "Hi! Sorry about that, we are looking into it right now.",
    "Thanks for getting in touch. Could you tell us when it started?",
    "Thank you for flagging this. We have passed it to the right team.",
    "Hello! We'd like to help. Please send us a DM with the details.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPlan:
    """How many agents there are and what they do with the cards they see."""

    agents: int = 4
    share: float = 0.2
    """Share of cards that are claimed and answered; the rest is left alone."""
    resolve_share: float = 0.5
    """Of the answered ones, how many are resolved afterwards."""
    snooze_share: float = 0.02
    """Share of cards that are snoozed instead."""
    think_s: float = 0.0
    seed: int = 7
    poll_s: float = 0.2
    patience_s: float = 30.0
    names: tuple[str, ...] = ("ana", "ben", "chloe", "dev")


@dataclass(slots=True)
class _Card:
    case: str
    channel: str
    ts: str
    message: Json


@dataclass(slots=True)
class _Desk:
    """The cards as the page shows them now, and who waits for one to change."""

    cards: dict[str, _Card] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


class Agents:
    """A team of agents over one sandbox; use as `async with`, then `drain()`."""

    def __init__(self, control_url: str, plan: AgentPlan | None = None) -> None:
        """Prepare; nobody looks yet."""
        self.plan = plan or AgentPlan()
        self.counts: Counter[str] = Counter()
        self._control = f"{control_url}/sandbox/slack"
        self._desk = _Desk()
        self._work: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._users: list[str] = []
        self._busy = 0
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))

    async def __aenter__(self) -> Self:
        """Sign the agents in and start watching."""
        names = [
            self.plan.names[n] if n < len(self.plan.names) else f"agent{n + 1}"
            for n in range(self.plan.agents)
        ]
        made = await self._post("users", {"users": [{"name": name} for name in names]})
        self._users = [user["id"] for user in made["users"]]
        self._tasks = [asyncio.create_task(self._watch(), name="agents watch")]
        self._tasks += [
            asyncio.create_task(self._serve(user), name=f"agent {user}") for user in self._users
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Send everybody home."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()

    @property
    def idle(self) -> bool:
        """Say whether nobody has anything to do."""
        return self._work.empty() and not self._busy

    async def drain(self, timeout_s: float = 60.0, *, quiet_s: float = 1.0) -> bool:
        """Wait until nobody has had work for `quiet_s`; say whether that came to be in time."""
        deadline, quiet_since = time.monotonic() + timeout_s, time.monotonic()
        while time.monotonic() < deadline:
            failed = next((t for t in self._tasks if t.done() and not t.cancelled()), None)
            if failed is not None:
                await failed
            if not self.idle:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since >= quiet_s:
                return True
            await asyncio.sleep(0.05)
        return False

    async def _watch(self) -> None:
        """Follow what changes on the page; hand new cards out."""
        revision = 0
        while True:
            try:
                page = await self._get(f"changes?since={revision}&channel=")
            except (aiohttp.ClientError, TimeoutError):
                self.counts["watch_errors"] += 1
                await asyncio.sleep(1)
                continue
            revision = page["revision"]
            for message in page["messages"]:
                self._see(message)
            if page["messages"]:
                async with self._desk.changed:
                    self._desk.changed.notify_all()
            if not page["more"]:
                await asyncio.sleep(self.plan.poll_s)

    def _see(self, message: Json) -> None:
        # A card's controls name the case and, behind a bar, the version that the card shows.
        names = (str(c["value"]).partition("|")[0] for c in controls(message) if is_case(c))
        case = next(names, None)
        if not case or message.get("deleted") or message.get("is_ephemeral"):
            return
        if case in self._desk.cards:
            card = self._desk.cards[case]
            card.channel, card.ts, card.message = message["channel"], message["ts"], message
            return
        self._desk.cards[case] = _Card(case, message["channel"], message["ts"], message)
        self.counts["seen"] += 1
        draw = random.Random(f"{self.plan.seed}:{case}").random()  # noqa: S311 - repeatable, no secret
        if draw < self.plan.share:
            self._work.put_nowait((case, "answer"))
        elif draw < self.plan.share + self.plan.snooze_share:
            self._work.put_nowait((case, "snooze"))
        else:
            self.counts["left"] += 1

    async def _serve(self, user: str) -> None:
        while True:
            case, job = await self._work.get()
            self._busy += 1
            try:
                if job == "answer":
                    await self._answer(user, case)
                else:
                    await self._snooze(user, case)
            except (aiohttp.ClientError, TimeoutError):
                self.counts["errors"] += 1
            finally:
                self._busy -= 1

    async def _answer(self, user: str, case: str) -> None:
        card = self._desk.cards[case]
        rng = random.Random(f"{self.plan.seed}:{case}:answer")  # noqa: S311 - as above
        if control_of(card.message, CLAIM) is not None:
            before = card.message
            await self._think()
            if await self._press(user, card, CLAIM) is None:
                return
            await self._changed(card, before)
        await self._think()
        opened = await self._press(user, card, REPLY, wait_view_s=5)
        if opened is None or opened["view"] is None:
            self.counts["no_reply_modal"] += opened is not None
            return
        text = f"{rng.choice(OPENINGS)} (ref {case[-12:]})"
        before = card.message
        sent = await self._submit(user, opened["view"], {"reply": {"text": text}}, "replies")
        if not sent or rng.random() >= self.plan.resolve_share:
            return
        await self._changed(card, before)
        await self._think()
        opened = await self._press(user, card, RESOLVE, wait_view_s=5)
        if opened is not None and opened["view"] is not None:
            await self._submit(user, opened["view"], first_choices(opened["view"]), "resolves")

    async def _snooze(self, user: str, case: str) -> None:
        card = self._desk.cards[case]
        await self._think()
        opened = await self._press(user, card, SNOOZE, wait_view_s=0.5)
        if opened is not None and opened["view"] is not None:
            await self._submit(user, opened["view"], first_choices(opened["view"]), "snoozes")

    async def _press(
        self, user: str, card: _Card, action: str, *, wait_view_s: float = 0.0
    ) -> Json | None:
        control = control_of(card.message, action)
        if control is None:
            self.counts[f"no_{action}"] += 1
            return None
        value = control.get("value")
        act = {
            "user": user,
            "channel": card.channel,
            "ts": card.ts,
            "action_id": action,
            "value": value if isinstance(value, str) else None,
            "wait_view_s": wait_view_s,
        }
        done = await self._post("press", act)
        self.counts[f"{action}_presses" if done["ok"] else f"{action}_errors"] += 1
        return done if done["ok"] else None

    async def _submit(self, user: str, view: Json, values: Json, count: str) -> bool:
        done = await self._post("submit", {"user": user, "view": view["id"], "values": values})
        self.counts[count if done["ok"] else f"{count}_errors"] += 1
        if not done["ok"] and done["view"]:
            await self._post("close", {"user": user, "view": done["view"]["id"]})
        return bool(done["ok"])

    async def _changed(self, card: _Card, before: Json) -> None:
        """Wait, as a person does, until the card shows what was done; not for ever."""
        try:
            async with asyncio.timeout(self.plan.patience_s), self._desk.changed:
                await self._desk.changed.wait_for(lambda: card.message is not before)
        except TimeoutError:
            self.counts["card_unchanged"] += 1

    async def _think(self) -> None:
        if self.plan.think_s:
            await asyncio.sleep(self.plan.think_s)

    async def _post(self, name: str, body: Json) -> Json:
        async with self._http.post(f"{self._control}/{name}", json=body) as response:
            answer: Json = await response.json()
            return answer

    async def _get(self, name: str) -> Json:
        async with self._http.get(f"{self._control}/{name}") as response:
            answer: Json = await response.json()
            return answer


async def _watch_until_stopped(control: str, plan: AgentPlan, seconds: float) -> Counter[str]:
    async with Agents(control, plan) as agents:
        await asyncio.sleep(seconds)
        return agents.counts


def main() -> None:
    """Let agents work for a while from the command line and print what they did as JSON."""
    parser = argparse.ArgumentParser(prog="python -m careline.sandbox.agents", description=__doc__)
    parser.add_argument("--control", required=True, help="control_url of the sandbox")
    parser.add_argument("--agents", type=int, default=4)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--think", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    plan = AgentPlan(
        agents=options.agents, share=options.share, think_s=options.think, seed=options.seed
    )
    done = asyncio.run(_watch_until_stopped(options.control, plan, options.seconds))
    sys.stdout.write(dumps(dict(done)) + "\n")


if __name__ == "__main__":
    main()
