"""Keeps what the outside world writes within bounds: size and well-formedness.

Promise: a record that leaves here fits into a Kafka record whatever a stranger wrote; what was cut
says so, with the length and the sha256 of the whole. Nothing is cut inside a character.
"""

from __future__ import annotations

import hashlib
from typing import Final

from schemas.base import well_formed
from schemas.mentions import TEXT_LIMIT_BYTES, BrandPosted, HeardRecord, MentionEdited
from schemas.mentions import MentionReceived as Received

NAME_MAX: Final = 200
"""Characters of a handle or display name that are kept."""
_WORST: Final = 4  # bytes a character in UTF-8


def bounded(record: HeardRecord, *, limit: int = TEXT_LIMIT_BYTES) -> HeardRecord:
    """Return the record with its text cut to the limit, if it needs to be."""
    if not isinstance(record, Received | MentionEdited | BrandPosted):
        return record
    if len(record.text) * _WORST <= limit:
        return record
    whole = record.text.encode()
    if len(whole) <= limit:
        return record
    return record.model_copy(
        update={
            "text": whole[:limit].decode("utf-8", "ignore"),
            "truncated": True,
            "text_bytes": len(whole),
            "text_sha256": hashlib.sha256(whole).hexdigest(),
        }
    )


def name(text: object) -> str:
    """Return a stranger's name as kept: well-formed and not endless."""
    return well_formed(str(text or ""))[:NAME_MAX]
