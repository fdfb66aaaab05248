"""Customers' text made safe to show: it can neither ping, nor link, nor disguise itself.

Promise: for any input the result is well-formed, has no control, bidi or invisible characters, no
pile of combining marks, no live link, and is never cut inside an entity or a visible character.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from schemas.base import well_formed

MARKS_MAX: Final = 3
"""Combining marks kept on one character: enough for every script, too few for a tower."""
ELLIPSIS: Final = "…"

_NEWLINES = re.compile(r"\r\n?|[\u0085\u2028\u2029\v\f]")
_BLANK_LINES = re.compile(r"\n{3,}")
_SPACES = re.compile(r"[ \u00a0]{4,}")
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_JOINERS = re.compile(r"[\u200c\u200d]+")
_LINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,15}:/{2,}|www\.|(?<![:/])/{2,}(?=[\w-]+\.))[^\s<>\"“”]+"
    r"|\b(?:javascript|data|mailto|tel):[^\s<>\"]+",
    re.IGNORECASE,
)
_INNER = re.compile(
    r"\b(?:javascript|data|mailto|tel):|:(?=//)|\bwww\.|(?<=\w)\.(?=[a-z]{2,24}[/:?#])",
    re.IGNORECASE,
)
"""Where a second link may begin within what stands behind a link's host or scheme."""
_HTTP = re.compile(r"http(s?)$")
_BARE = re.compile(
    r"(?<![\w@.\]/-])((?:[\w-]{1,63}\.)+[a-z]{2,24})(?=[:/?#]\S)([^\s<>\"“”]*)", re.IGNORECASE
)
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_PATH_MAX: Final = 60


def clean(text: str) -> str:
    """Return the text without what is unseen or disguises, its lines and spaces kept in bounds."""
    text = _UNSEEN.sub("", _NEWLINES.sub("\n", well_formed(text))).replace("\t", "    ")
    text = _JOINERS.sub(_joiner, text)
    text = _few_marks(text)
    return _BLANK_LINES.sub("\n\n", _SPACES.sub("   ", text)).strip()


def safe(text: str, limit: int) -> str:
    """Return customers' text for a plain_text or rich_text element, no longer than ``limit``."""
    # The cleaning is linear, yet there is no use in cleaning what is cut off anyway.
    return cut(defang(clean(text[: limit * 4 + 1000])), limit)


def one_line(text: str, limit: int) -> str:
    """Return customers' text in a single line, such as a handle or a name."""
    return cut(" ".join(defang(clean(text[: limit * 4 + 1000])).split()), limit)


def mrkdwn(text: str, limit: int) -> str:
    """Return customers' text for mrkdwn or a fallback text: one line, escaped, then cut."""
    return cut(escape(one_line(text, limit)), limit)


def escape(text: str) -> str:
    """Escape the three characters that Slack's markup begins with."""
    return "".join(_ENTITIES.get(letter, letter) for letter in text)


def defang(text: str) -> str:
    """Return the text with each link spelled so that nothing opens, its real host in sight."""
    return _BARE.sub(_defanged_bare, _LINK.sub(_defanged, text))


def cut(text: str, limit: int) -> str:
    """Return at most ``limit`` UTF-16 units, never ending inside an entity or a character."""
    if length(text) <= limit:
        return text
    kept: list[str] = []
    room = limit - length(ELLIPSIS)
    for piece in _pieces(text):
        room -= length(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + ELLIPSIS


def length(text: str) -> int:
    """Return the length as Slack counts it, in UTF-16 units."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def characters(text: str) -> Iterator[str]:
    """Yield what a reader sees as single characters (flags, families and accents in one piece)."""
    held = ""
    for letter in text:
        if held and _continues(held, letter):
            held += letter
            continue
        if held:
            yield held
        held = letter
    if held:
        yield held


def _pieces(text: str) -> Iterator[str]:
    for number, part in enumerate(re.split(r"(&(?:amp|lt|gt);)", text)):
        if number % 2:
            yield part
        else:
            yield from characters(part)


def _continues(held: str, letter: str) -> bool:
    if unicodedata.category(letter) in {"Mn", "Me", "Mc"} or letter == "\u200d":
        return True
    if held.endswith("\u200d") or "\U0001f3fb" <= letter <= "\U0001f3ff":
        return True
    return _is_flag(letter) and len(held) == 1 and _is_flag(held)


def _is_flag(letter: str) -> bool:
    return "\U0001f1e6" <= letter <= "\U0001f1ff"


def _joiner(found: re.Match[str]) -> str:
    """Keep one joiner where scripts and emoji need it: between two characters beyond Latin."""
    text, before, after = found.string, found.start() - 1, found.end()
    inside = before >= 0 and after < len(text)
    if inside and text[before] > "\u02ff" and text[after] > "\u02ff":
        return found.group()[0]
    return ""


def _few_marks(text: str) -> str:
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in {"Mn", "Me"} else 0
        if marks <= MARKS_MAX:
            kept.append(letter)
    return "".join(kept)


def _defanged(found: re.Match[str]) -> str:
    raw = found.group()
    link, tail = _without_tail(raw)
    if link.startswith("//"):
        return _spelled("//", link.lstrip("/")) + tail
    scheme, _, rest = link.partition(":")
    if not rest.startswith("//"):
        if link.lower().startswith("www."):
            return _spelled("", link) + tail
        return f"{scheme.lower()}[:]{_inert(rest)}{tail}"
    # A word that is written right before a link reads as the beginning of its scheme.
    known, is_http = _HTTP.subn(r"hxxp\1", scheme.lower())
    return _spelled(f"{known}://" if is_http else f"{known}[:]//", rest.lstrip("/")) + tail


def _defanged_bare(found: re.Match[str]) -> str:
    link, tail = _without_tail(found.group())
    return _spelled("", link) + tail


def _spelled(prefix: str, rest: str) -> str:
    """Spell host and path; what stands before an @ is no host, whatever it looks like."""
    try:
        host = urlsplit("//" + rest.replace("\\", "/")).hostname or ""
        host = host.encode("idna").decode("ascii")
    except (UnicodeError, ValueError):
        host = "(unreadable host)"
    _, slash, path = rest.replace("\\", "/").partition("/")
    path = _inert(cut(path, _PATH_MAX)) if path else ""
    return f"{prefix}{host.replace('.', '[.]')}{slash}{path}"


def _inert(text: str) -> str:
    return _INNER.sub(lambda found: f"{found[0][:-1]}[{found[0][-1]}]", text)


def _without_tail(link: str) -> tuple[str, str]:
    kept = link.rstrip(".,;:!?)]}'\u2019\u00bb")
    return kept, link[len(kept) :]
