"""Who is who: keys, ids and shards, made by pure functions so that every part makes the same ones.

Promises: what is made again from the same facts gets the same id (UUIDv5 of its cause), and a
conversation has the same partition number in every topic and in the ledger (design: partition =
shard). No I/O, no clock, no randomness.
"""

from __future__ import annotations

import hashlib
import re
import uuid
import zlib
from typing import NewType

CaseId = NewType("CaseId", str)
ConversationKey = NewType("ConversationKey", str)
LineKey = NewType("LineKey", str)
MentionId = NewType("MentionId", str)

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "careline")
_NAMESPACE = NAMESPACE.bytes
DELETED = "del"
_CASE_ID = re.compile(r"^s(\d{2,4})-([0-9a-f]{16})-(\d+)$")


def shard_of(conversation: str, partitions: int) -> int:
    """Return the partition and shard number of a conversation key."""
    return zlib.crc32(conversation.encode()) % partitions


def shard_tag(shard: int) -> str:
    """Return the ledger's hash tag of a shard, such as ``{s07}``."""
    return f"{{s{shard:02d}}}"


def mention_id(network: str, account: str, native_id: str) -> MentionId:
    """Return the id of a mention, the same for all its revisions."""
    return MentionId(f"{network}:{account}:{native_id}")


def revision_of(text: str) -> str:
    """Return the revision of a text where there is no edit history: 12 digits of its sha256."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def line_key(network: str, account: str, root: str, author_id: str) -> LineKey:
    """Return the key of a line: all cases of one author in one thread with one brand account."""
    return LineKey(f"{network}\x1f{account}\x1f{root}\x1f{author_id}")


def case_id(line: LineKey, episode: int, *, conversation: str, partitions: int) -> CaseId:
    """Return the case id of an episode of a line, such as ``s07-3fa9c1d2e4b57788-1``."""
    digest = hashlib.sha256(line.encode()).hexdigest()[:16]
    return CaseId(f"s{shard_of(conversation, partitions):02d}-{digest}-{episode}")


def shard_of_case(case: str) -> int | None:
    """Return the shard that a case id names, or None if this is no case id."""
    found = _CASE_ID.match(case)
    return int(found.group(1)) if found else None


def event_id(cause: str, case: str, index: int) -> str:
    """Return the id of the index-th event that a cause has in a case (UUIDv5)."""
    return _uuid5(f"{cause}|{case}|{index}")


def author_hash(network: str, author_id: str) -> str:
    """Return the name under which the erasure of an author is remembered."""
    return hashlib.sha256(f"{network}:{author_id}".encode()).hexdigest()


def erasure_id(shard: int, author: str) -> CaseId:
    """Return what an erasure has in place of a case id: it names the shard; episodes begin at 1."""
    return CaseId(f"s{shard:02d}-{author[:16]}-0")


def snapshot_id(case: str, day: int) -> str:
    """Return the cause id of a case's snapshot of a day (counted from 1970)."""
    return _uuid5(f"snapshot|{case}|{day}")


def deadline_id(case: str, step: str, due: str) -> str:
    """Return the cause id of a deadline: UUIDv5 of case, step and due time."""
    return _uuid5(f"deadline|{case}|{step}|{due}")


def _uuid5(name: str) -> str:
    """Return what ``str(uuid.uuid5(NAMESPACE, name))`` would, at a fifth of its cost."""
    digest = bytearray(hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).digest())
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


def digest_of(body: bytes) -> str:
    """Return the sha256 of a cause's body in hex: the same id with another digest is an error."""
    return hashlib.sha256(body).hexdigest()
