"""Takes out of a text what names a person, before it leaves the house.

Promise: handles, e-mail addresses, links, numbers and codes (cards, telephones, bank accounts,
orders) are gone, and the text is short; hostile text is handled in linear time. A name written out
in words stays: no list of names is complete, so whoever may not send those must not send at all.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from schemas.base import well_formed

TEXT_MAX: Final = 1000
_READ_MAX: Final = 4 * TEXT_MAX
_MAIL: Final = re.compile(r"[\w.+%-]{1,64}\s?@\s?[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_LINK: Final = re.compile(r"(?:\b[a-z][a-z0-9+.-]{1,15}://|\bwww\.)\S+", re.IGNORECASE)
_SITE: Final = re.compile(
    r"\b(?:[\w-]{1,63}\.){1,5}"
    r"(?:com|net|org|info|app|dev|shop|online|site|xyz|gov|edu|[a-z]{2})(?:/\S*|\b)"
)
_HANDLE: Final = re.compile(r"@[\w.-]+")
_NUMBER: Final = re.compile(r"[+(]{0,2}\d(?:[\s().,/:-]{0,2}\d){3,}")
_CODE: Final = re.compile(r"\b(?=(?:[^\W_]*\d){3})(?=[^\W_]*[^\W\d_])[^\W_]{5,64}\b")


def redacted(text: str) -> str:
    """Return the text as a stranger may see it."""
    plain = unicodedata.normalize("NFKC", well_formed(text[:_READ_MAX]))
    shown = "".join(sign if _is_plain(sign) else " " for sign in plain)
    for pattern, word in (
        (_MAIL, "[email]"),
        (_LINK, "[link]"),
        (_HANDLE, "[handle]"),
        (_SITE, "[link]"),
        (_CODE, "[code]"),
        (_NUMBER, "[number]"),
    ):
        shown = pattern.sub(word, shown)
    return " ".join(shown.split())[:TEXT_MAX]


def _is_plain(sign: str) -> bool:
    """Tell whether a sign shows something: no control, no direction, nothing without a glyph."""
    return unicodedata.category(sign) not in {"Cc", "Cf", "Co", "Cs", "Cn"}
