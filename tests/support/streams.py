"""Streams of posts made by code: plausible ones, and hostile ones that must do no harm.

The same seed makes the same file. What customers write is spelt in ASCII JSON, so that even a lone
surrogate reaches the reader as it stands.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BRANDS = ("AcmeHelp", "GlobexCare", "InitechSupport")
QUESTIONS = (
    "my order has not arrived, where is it?",
    "I was charged twice, please refund me",
    "the app crashes whenever I open it",
    "how do I change my delivery address?",
    "¿cuándo llega mi pedido? Llevo dos semanas esperando",
    "Mein Konto ist gesperrt, bitte helfen Sie mir",
    "je n'arrive pas à me connecter depuis hier",
    "somebody hacked my account and changed the password",
)
CHATTER = ("thank you so much, it works now!", "love the new colours", "https://t.co/abc")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Made:
    """A file and what is in it."""

    path: Path
    customers: int
    own: int
    malformed: int


class Writer:
    """Writes posts one after the other."""

    def __init__(self) -> None:
        """Begin at nine in the morning."""
        self.lines: list[str] = []
        self.customers = self.own = self.malformed = 0
        self._now = START

    def post(
        self,
        author: str,
        text: str,
        *,
        inbound: bool = True,
        parent: str | None = None,
        brand: str = BRANDS[0],
    ) -> str:
        """Write a post and return its id."""
        self._now += timedelta(seconds=5)
        number = str(1000 + len(self.lines))
        row: dict[str, Any] = {
            "id": number,
            "author_id": author,
            "inbound": inbound,
            "created_at": self._now.isoformat(),
            "text": text,
            "in_reply_to": parent,
            "company": brand if inbound else None,
        }
        self.lines.append(json.dumps(row))
        self.customers += inbound
        self.own += not inbound
        return number

    def broken(self, raw: str) -> None:
        """Write a line that is no post."""
        self.lines.append(raw)
        self.malformed += 1

    def save(self, path: Path) -> Made:
        """Write the file."""
        path.write_text("\n".join(self.lines) + "\n", encoding="utf-8", errors="surrogatepass")
        return Made(path, self.customers, self.own, self.malformed)


def plausible(path: Path, posts: int, *, seed: int = 1) -> Made:
    """Make a stream of threads: questions, chatter, further words, and some brands' own answers."""
    rng = random.Random(seed)
    writer = Writer()
    while len(writer.lines) < posts:
        brand = rng.choice(BRANDS)
        author = f"customer{rng.randrange(posts)}"
        words = rng.choice(QUESTIONS if rng.random() < 0.8 else CHATTER)
        first = writer.post(author, f"@{brand} {words} ({rng.randrange(10**6)})", brand=brand)
        if rng.random() < 0.15:
            writer.post(
                brand,
                f"@{author} sorry to hear that, we are on it ({rng.randrange(10**6)})",
                inbound=False,
                parent=first,
            )
        if rng.random() < 0.2:
            writer.post(author, f"@{brand} hello? anybody there?", parent=first, brand=brand)
    return writer.save(path)


def hostile(path: Path) -> Made:
    """Make a stream of everything that has ever broken a bridge."""
    writer = Writer()
    writer.post("alice", "@AcmeHelp where is my order?")
    writer.broken("{ this is not JSON")
    writer.broken('["a", "list"]')
    writer.broken('{"id": "77", "author_id": "mallory", "inbound": true}')
    writer.broken('{"id": "78", "author_id": "mallory", "inbound": true, "text": 42}')
    for number, text in enumerate(
        (
            "@AcmeHelp help! " + "my screen is broken " * (MIB // 20),
            "@AcmeHelp nul \x00 in the middle, why?",
            "@AcmeHelp lone surrogates \ud83d and \udc00, can you read this?",
            "@AcmeHelp \u202eetisbew ruoy ni kcatta na si siht\u202c how do I log in?",
            "@AcmeHelp <!channel> <!here> <!everyone> <@U012AB3CD> <#C012AB3CD|care> help me",
            "@AcmeHelp <https://evil.example|https://bank.example> *bold* `code` &amp; why?",
            "@AcmeHelp </script><script>alert(1)</script> does not work",
            "@AcmeHelp " + "e\u0301\u0323" * 500 + " why is my name cut?",
            "@AcmeHelp %s %d {0} {{x}} $(reboot) `reboot` ; DROP TABLE cases; -- help",
            "\u200b\u200b\u200b",
            "@AcmeHelp \ufeff\ufffe\uffff where is my refund?",
            "",
        )
    ):
        writer.post(f"troll{number}", text)
    writer.post("bob", "@AcmeHelp where is mine?")
    return writer.save(path)
