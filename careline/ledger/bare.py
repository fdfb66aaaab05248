"""Mentions without words and names: what is left of them once they were withdrawn, erased or old.

Promises: pure; a bare mention says who wrote (by id), where and when, so that its case is found by
it, and nothing that anybody wrote. What a triage quoted goes too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from schemas.identity import author_hash, mention_id
from schemas.mentions import BrandPosted, MentionEdited, MentionReceived
from schemas.triage import MentionTriaged

WORDS: Final = (MentionReceived, MentionEdited, BrandPosted)
"""What carries words."""
_HEARD_AT: Final = re.compile(rb'"heard_at":"([^"]+)"')
_NO_WORDS: Final = (
    b'"text":""',
    b'"handle":""',
    b'"name":""',
    b'"media":[]',
    b'"url":""',
)


def withdrawn(triaged: MentionTriaged) -> MentionTriaged:
    """Return the mention without what it said; its author stays who they were."""
    heard = triaged.heard
    if not isinstance(heard, WORDS):
        return triaged
    bare = {"text": "", "media": (), "url": "", "text_sha256": None}
    return triaged.model_copy(
        update={"heard": heard.model_copy(update=bare), "triage": _unquoted(triaged)}
    )


def bared(triaged: MentionTriaged) -> MentionTriaged:
    """Return the mention without words and names: ids and times alone."""
    found = withdrawn(triaged)
    heard = found.heard
    if not isinstance(heard, WORDS):
        return found
    author = heard.author.model_copy(update={"handle": "", "name": "", "followers": None})
    return found.model_copy(update={"heard": heard.model_copy(update={"author": author})})


def is_erased(
    triaged: MentionTriaged, erased: Mapping[str, datetime], target: MentionTriaged | None
) -> bool:
    """Whether an author's erasure covers this record: their own words, or an own post to them."""
    heard = triaged.heard
    if not erased or not isinstance(heard, WORDS):
        return False
    said = heard if not isinstance(heard, BrandPosted) else target.heard if target else None
    if not isinstance(said, (MentionReceived, MentionEdited)):
        return False
    up_to = erased.get(author_hash(said.conversation.network, said.author.id))
    return up_to is not None and heard.heard_at <= up_to


def target_of(post: BrandPosted) -> str | None:
    """Return the id of the mention that an own post replies to."""
    if post.in_reply_to is None:
        return None
    return mention_id(post.conversation.network, post.account, post.in_reply_to)


def has_words(raw: bytes) -> bool:
    """Whether a stored mention may still hold words or names, by a look at its bytes."""
    return any(part not in raw for part in _NO_WORDS)


def heard_at(raw: bytes) -> datetime | None:
    """Return when a stored mention was heard, by a look at its bytes (quotes in texts are escaped).

    None: it must be read to find out.
    """
    found = _HEARD_AT.search(raw)
    try:
        return datetime.fromisoformat(found[1].decode()) if found else None
    except ValueError:
        return None


def _unquoted(triaged: MentionTriaged) -> object:
    return triaged.triage and triaged.triage.model_copy(update={"reasons": (), "topics": ()})
