"""The seeded story: a morning at Acme in half a minute, with everything real but the people.

Promise: it shows the whole way of a query (heard, card, claimed, answered; at risk, breach,
escalated; edited, withdrawn, answered elsewhere, unreadable), waits for each event in the log
before it goes on, and ends by itself. Targets are short by policy; the clock is never touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from careline.cli.demo.chronicle import Chronicle
from careline.cli.demo.narrator import Narrator
from careline.cli.demo.people import People
from careline.cli.sandbox_process import Furniture, SandboxProcess
from careline.config import Account, Brand, CarelineConfig, Channels, Person
from careline.policy_file import ServiceLevels, Step
from careline.sandbox.slack.model import made_id
from schemas import events as e
from schemas.triage import Priority

BRAND: Final = "acme"
AGENTS: Final = ("ana", "ben", "chloe", "maria")
CHANNELS: Final = Channels(mentions="care", direct_messages="care-dms")
OPS: Final = "ops"
_TARGET: Final = timedelta(seconds=14)
_WAIT_S: Final = 40.0

MENTIONS: Final = (
    ("jorge", "es", "No puedo entrar en mi cuenta desde esta mañana, ¿me pueden ayudar?"),
    ("lena", "de", "Meine Bestellung ist seit zwei Wochen nicht da, und niemand antwortet mir!"),
    ("mika", "en", "Just wanted to say thank you, the new app is lovely."),
    ("tom", "en", "Why is your shop in Leeds closed today? The door says open."),
    ("yuki", "ja", "アプリが起動しません。どうすればいいですか。"),
    ("promo", "en", "<!channel> is your refund missing? We get it back: http://example.com/win"),
)
CUSTOMERS: Final = len(MENTIONS) + 2
"""Who wrote: those above, the direct message and the item that is no post."""
SOURCES: Final = ("mentions", "own_posts", "direct_messages", "changes")
SETTINGS: Final = {
    "CARELINE_LOG_LEVEL": "info",
    "CARELINE_X__POLL_MIN_SECONDS": "0.2",
    "CARELINE_X__POLL_MAX_SECONDS": "0.5",
    "CARELINE_X__DIRECT_MESSAGE_POLL_MIN_SECONDS": "0.3",
    "CARELINE_X__DIRECT_MESSAGE_POLL_MAX_SECONDS": "0.5",
    "CARELINE_X__WATCH_EVERY_SECONDS": "1",
}
Say = Callable[[str], None]
DIRECT: Final = ("sofia", "fr", "Bonjour, on m'a débité deux fois. Pouvez-vous me rembourser ?")


def furniture() -> Furniture:
    """What the sandbox holds before the story begins."""
    return Furniture(
        channels=(CHANNELS.mentions, OPS),
        private_channels=(CHANNELS.direct_messages,),
        users=AGENTS,
        brands=(BRAND,),
    )


def config() -> CarelineConfig:
    """Acme's careline.yaml, with targets of seconds."""
    people = {name: Person(slack=made_id("U", name)) for name in AGENTS}
    return CarelineConfig(
        brands=(Brand(name="Acme", accounts=(Account(network="x", handle=BRAND),)),),
        channels=CHANNELS,
        ops_channel=OPS,
        people=people,
        groups={"backup": ("ana", "ben"), "manager": ("maria",)},
        service_levels=ServiceLevels(
            targets=dict.fromkeys(Priority, _TARGET),
            at_risk_share=0.5,
            ladder=(
                Step(name="backup group", notify="backup", after=timedelta(0)),
                Step(name="manager", notify="manager", after=timedelta(seconds=4)),
            ),
        ),
    )


async def names(sandbox: SandboxProcess) -> tuple[dict[str, str], dict[str, str]]:
    """Return the names of Slack's people and channels by their ids."""
    workspace = await sandbox.get("slack/workspace")
    people = {user["id"]: user["name"] for user in workspace["users"]}
    return people, {channel["id"]: channel["name"] for channel in workspace["channels"]}


class Story:
    """The acts of the story over a running stage."""

    def __init__(self, sandbox: SandboxProcess, narrator: Narrator, chronicle: Chronicle) -> None:
        """Take the stage; nothing has happened yet."""
        self._sandbox = sandbox
        self._narrator = narrator
        self._chronicle = chronicle
        users = {name: made_id("U", name) for name in AGENTS}
        self._people = People(sandbox, users)
        self._native: dict[str, str] = {}

    async def play(self) -> None:
        """Play it from beginning to end."""
        await self._morning()
        try:
            await self._acts()
        except BaseExceptionGroup as failed:
            # The first act that failed says why; the others were only cut off.
            raise _first(failed) from None

    async def _acts(self) -> None:
        async with asyncio.TaskGroup() as acts:
            acts.create_task(self._two_claim_one(), name="two people claim one case")
            acts.create_task(self._direct_message(), name="a direct message")
            acts.create_task(self._edited_and_answered_elsewhere(), name="edited")
            acts.create_task(self._withdrawn(), name="withdrawn")
            acts.create_task(self._spam(), name="spam")
            acts.create_task(self._nobody_answers(), name="nobody answers")

    async def _morning(self) -> None:
        """Let everybody write; one item on the network is no post at all."""
        for handle, language, text in MENTIONS:
            made = await self._sandbox.post(
                "x/posts",
                {
                    "ref": handle,
                    "author": handle,
                    "text": f"@{BRAND} {text}",
                    "mentions": [BRAND],
                    "lang": language,
                },
            )
            self._heard(handle, made["ids"][0])
            self._narrator.wrote("X", handle, text)
        handle, _, text = DIRECT
        sent = await self._sandbox.post("x/dms", {"from": handle, "to": BRAND, "text": text})
        self._heard(handle, sent["id"])
        self._narrator.wrote("X, privately", handle, text)
        await self._sandbox.post(
            "x/posts",
            {"kind": "garbage", "account": BRAND, "item": {"oops": [1, 2]}, "ref": "oops"},
        )

    def _heard(self, handle: str, native_id: str) -> None:
        self._native[handle] = native_id
        self._narrator.introduce(self._mention(handle), handle)

    async def _two_claim_one(self) -> None:
        """Ana and Ben claim Jorge's case at once: the first wins, the other learns who has it."""
        case = await self._case_of("jorge")
        await asyncio.gather(self._people.claim("ana", case), self._people.claim("ben", case))
        await self._until(e.CaseClaimed, case, "a claim of jorge's case")
        await self._until(e.CommandRefused, case, "the second claim to be refused")
        winner = next(
            event.actor
            for event in self._chronicle.events
            if isinstance(event, e.CaseClaimed) and event.case_id == case
        )
        # Slack's ids end in the actor's id; whoever of the two it is writes the reply.
        name = "ben" if winner.name == "ben" or winner.id.endswith(made_id("U", "ben")) else "ana"
        await self._answer(name, case, "Hola Jorge, lo estamos revisando. ¿Ves algún error?")

    async def _direct_message(self) -> None:
        case = await self._case_of("sofia")
        await self._people.claim("chloe", case)
        await self._until(e.CaseClaimed, case, "a claim of sofia's case")
        await self._answer("chloe", case, "Bonjour Sofia, le remboursement part aujourd'hui.")

    async def _edited_and_answered_elsewhere(self) -> None:
        """Tom edits his question; somebody answers him in X's own app."""
        case = await self._case_of("tom")
        await self._until(e.CardPosted, case, "a card of tom's case")
        await self._sandbox.post(
            f"x/posts/{self._native['tom']}/edit",
            {"text": f"@{BRAND} Why is your shop in Leeds closed on Sunday? The door says open."},
        )
        await self._until(e.ObligationChanged, case, "the edit to be heard")
        await self._sandbox.post(
            "x/posts",
            {
                "ref": "own",
                "author": BRAND,
                "text": "@tom Sorry about that, Leeds opens at noon on Sundays.",
                "in_reply_to_ref": "tom",
            },
        )
        await self._until(e.ObligationsAnswered, case, "the brand's own answer to be heard")

    async def _withdrawn(self) -> None:
        case = await self._case_of("yuki")
        await self._until(e.CardPosted, case, "a card of yuki's case")
        await self._sandbox.delete(f"x/posts/{self._native['yuki']}")
        await self._until(e.ObligationsClosed, case, "the deletion to be heard")

    async def _spam(self) -> None:
        """Ben closes what a swindler wrote; its <!channel> has called nobody."""
        case = await self._case_of("promo")
        await self._people.resolve("ben", case, "spam")
        await self._until(e.ObligationsClosed, case, "promo's case to be closed")

    async def _nobody_answers(self) -> None:
        """Nobody takes Lena's case until the ladder has told two groups."""
        case = await self._case_of("lena")
        await self._until(e.CaseAtRisk, case, "lena's case to be at risk")
        await self._until(e.CaseBreached, case, "lena's case to be late")
        await self._until(e.CaseEscalated, case, "lena's case to be escalated")
        await self._until(e.CaseEscalated, case, "the manager to be told", count=2)
        await self._people.claim("maria", case)
        await self._until(e.CaseClaimed, case, "a claim of lena's case")
        await self._answer("maria", case, "Hallo Lena, das tut uns leid. Das Paket kommt morgen.")

    async def _answer(self, name: str, case: str, text: str) -> None:
        await self._people.reply(name, case, text)
        await self._until(e.ReplyDelivered, case, f"{name}'s reply to be delivered")

    async def _case_of(self, handle: str) -> str:
        wanted = self._mention(handle)

        def found() -> str | None:
            return next(
                (
                    event.case_id
                    for event in self._chronicle.events
                    if isinstance(event, e.ObligationAdded) and event.mention_id == wanted
                ),
                None,
            )

        await self._chronicle.until(f"a case of {handle}", lambda: bool(found()), within=_WAIT_S)
        return found() or ""

    async def _until(self, kind: type, case: str, what: str, *, count: int = 1) -> None:
        def true() -> bool:
            found = (
                event
                for event in self._chronicle.events
                if isinstance(event, kind) and event.case_id == case
            )
            return sum(1 for _ in found) >= count

        await self._chronicle.until(what, true, within=_WAIT_S)

    def _mention(self, handle: str) -> str:
        return f"x:{BRAND}:{self._native[handle]}"


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
