"""Makes any text fit for the model: the same steps in training and at run time.

Promise: linear in the length of the text, which is cut first; any string is accepted, ill-formed
ones too. Handles, links, addresses and long numbers become one word each, so the model can neither
learn nor be swayed by who is named. Whoever changes this must train the model again.
"""

from __future__ import annotations

import html
import re
from typing import Final

TEXT_MAX: Final = 1000
"""Characters that the model reads; a longer text has said what it wants by then."""

_LINK: Final = re.compile(r"(?:https?://|www\.)\S+")
_MAIL: Final = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,63}")
_HANDLE: Final = re.compile(r"@\w+")
_NUMBER: Final = re.compile(r"\+?\d[\d().-]{4,}\d")
_MARKS: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufe0e\ufe0f\x00-\x1f]+")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_REPEAT: Final = re.compile(r"(\S)\1{3,}")


def normalise(text: str) -> str:
    """Return the text as both towers read it."""
    text = text[:TEXT_MAX]
    if text.isascii():
        text = text.replace("\n", " ").replace("\t", " ").replace("\r", " ")
    if not text.isprintable():
        text = _SURROGATE.sub("\ufffd", _MARKS.sub(" ", text))
    elif "\ufe0f" in text:
        text = text.replace("\ufe0f", " ")
    if "&" in text:
        text = html.unescape(text)
    if "http" in text or "www." in text:
        text = _LINK.sub("http", text)
    if "@" in text:
        # Handles stand alone, addresses do not: nearly no text has to be searched for one.
        if text.count("@") != text.count(" @") + text.startswith("@"):
            text = _MAIL.sub("__email__", text)
        text = _HANDLE.sub("@user", text)
    text = _NUMBER.sub("__num__", text)
    return " ".join(_REPEAT.sub(r"\1\1\1", text).split())
