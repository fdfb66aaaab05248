"""What the bench's customers write: texts of its own making, or a file of real ones.

Promise: the same seed gives the same texts. They differ in length, language and tone as posts to a
brand do (about 100 characters on average), so that no cache of the product sees them twice.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from schemas.mentions import AuthorRef, ConversationRef, MentionReceived

BRAND: Final = "acme"
NETWORK: Final = "x"
_FOLLOW_UP_SHARE: Final = 0.15
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)

_OPENERS: Final = (
    "", "", "", "hi, ", "Hello, ", "hey guys ", "so ", "ok ", "Good morning. ", "UGH ",
    "seriously, ",
)  # fmt: skip
_PROBLEMS: Final = (
    "my order {n} still has not arrived and the tracking page shows nothing since {day}",
    "the app crashes every time I open it after the last update",
    "why was I charged twice for invoice {n}?",
    "can you tell me when flight {n} will board, the screen says delayed",
    "I can't log in, the code never comes",
    "how do I change the address on order {n}",
    "my internet has been down since {day}, nobody answers the phone",
    "the driver left my parcel in the rain, it is soaked",
    "is there a way to get a refund for the ticket I bought on {day}?",
    "someone used my card, there is a payment of {n} that I never made",
    "playlist number {n} disappeared from my phone, it is still on the laptop",
    "I was promised a call back on {day} and still wait for it",
    "does the plan include calls to Spain",
    "the replacement you sent is broken too",
    "checkout says error {n} again and again",
)
_DETAILS: Final = (
    "", "", "", " I have tried it on two phones.", " This is the third time this month.",
    " My reference is {n}.", " I have been waiting for {k} days now and nobody writes back.",
    " It worked fine before {day}, I have changed nothing at my end since then.",
    " I spoke to two of your people on the phone, each of them told me something different.",
    " Reinstalled, restarted, even took the battery out.", " See https://example.com/s/{n}",
)  # fmt: skip
_CLOSERS: Final = (
    "", "", "", " Please help", " thanks", " Not happy.", " 😡", " any idea?", "!!!",
    " This is a joke.",    " Worst service ever", " Can someone DM me?",
)  # fmt: skip
_OTHERS: Final = (
    "thank you so much, it works again ❤️", "just landed, great crew on flight {n}", "ok",
    "done, sent you a DM", "lol", "love the new update, number {n} is my favourite",
    "Good night everyone", "that's the one, {n}",
    "thanks {k} times over, you sorted it in minutes 👍",
    "we had a wonderful day in shop {n}, see you on {day}",
)  # fmt: skip
_FOREIGN: Final = (
    "mi pedido {n} no ha llegado todavía, ¿me pueden ayudar por favor?",
    "llevo {k} días sin conexión y nadie contesta el teléfono, qué vergüenza",
    "Seit {k} Tagen geht das Internet nicht, wann kommt der Techniker?",
    "meine Bestellung {n} ist immer noch nicht da, wo bleibt sie?",
    "bonjour, ma commande {n} n'est toujours pas arrivée, que faire ?",
    "não consigo entrar na minha conta, o código {n} nunca chega",
    "il mio ordine {n} non è ancora arrivato, potete aiutarmi?",
    "注文番号{n}がまだ届きません。確認してください。",
    "mijn bestelling {n} is nog steeds niet geleverd, kunt u dit nakijken?",
)
_DAYS: Final = ("Monday", "Tuesday", "last Friday", "the 3rd", "yesterday", "Saturday night")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Where the texts come from."""

    texts: tuple[str, ...] = ()
    """Texts of a file; without them they are made."""

    @property
    def name(self) -> str:
        """What the results say of it."""
        return "file" if self.texts else "synthetic"

    def mentions(
        self, count: int, *, seed: int, heard_at: datetime | None = None
    ) -> Iterator[MentionReceived]:
        """Yield public mentions; some follow up on an earlier one of the same author and thread."""
        rng = random.Random(seed)
        source = self._texts(rng)
        lines: list[tuple[str, str]] = []
        for number in range(count):
            native = f"{seed:04d}{number:012d}"
            if lines and rng.random() < _FOLLOW_UP_SHARE:
                root, author = rng.choice(lines[-200:])
            else:
                root, author = native, f"{rng.randrange(10**9, 10**10)}"
                lines.append((root, author))
            yield MentionReceived(
                account=BRAND,
                native_id=native,
                conversation=ConversationRef(network=NETWORK, root=root),
                heard_at=heard_at or datetime.now(UTC),
                author=AuthorRef(id=author, handle=f"u{author}", name="A Customer"),
                text=f"@{BRAND} {next(source)}",
                created_at=_BEGIN + timedelta(seconds=number),
                revision_id=native,
                url=f"https://x.example/u{author}/status/{native}",
            )

    def _texts(self, rng: random.Random) -> Iterator[str]:
        while True:
            yield rng.choice(self.texts) if self.texts else _text(rng)


def corpus_of(file: Path | None) -> Corpus:
    """Return the corpus of a file: JSON lines with a ``text``, or one text a line."""
    if file is None:
        return Corpus()
    data = file.read_bytes()
    lines = (gzip.decompress(data) if file.suffix == ".gz" else data).decode().splitlines()
    if ".jsonl" in file.name:
        found = (json.loads(line) for line in lines if line.strip())
        return Corpus(tuple(str(each["text"]) for each in found if each.get("text")))
    return Corpus(tuple(line for line in lines if line.strip()))


def _text(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.65:
        parts = (_OPENERS, _PROBLEMS, _DETAILS, _DETAILS, _CLOSERS)
        pattern = "".join(rng.choice(part) for part in parts)
    else:
        pattern = rng.choice(_OTHERS if kind < 0.88 else _FOREIGN)
    return pattern.format(
        n=rng.randrange(1000, 9_999_999), k=rng.randrange(2, 40), day=rng.choice(_DAYS)
    )
