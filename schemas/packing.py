"""How each body becomes a record: its type, id, subject, time and key, whoever sends it.

Promise: the same body is the same record from every sender, but for the source that it names, so
that a reader tells a repeat by its id and finds a case's records under one key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.commands import Command
from schemas.envelope import Headers, Packed, header, pack, pack_json
from schemas.mentions import HeardRecord

TRIAGED_SUFFIX: Final = ":triaged"
"""What a triaged record's id has behind that of the received one."""


def pack_heard(
    heard: HeardRecord, *, source: str, extensions: Mapping[str, str] | None = None
) -> Packed:
    """Return the record of ``mentions.received.v1``."""
    return pack(
        heard,
        type=f"mention.{heard.kind}.v1",
        id=heard.event_id,
        source=source,
        subject=heard.mention_id,
        time=heard.heard_at,
        key=heard.conversation.key,
        extensions=extensions,
    )


def pack_triaged(
    heard: HeardRecord,
    body: bytes,
    triage: bytes,
    *,
    source: str,
    extensions: Mapping[str, str] | None = None,
) -> Packed:
    """Return the record of ``mentions.triaged.v1``, of JSON: what was heard, and its triage.

    The heard bytes go on as they came: read once, never written again.
    """
    return pack_json(
        b'{"kind":"triaged","heard":%b,"triage":%b}' % (body, triage),
        type="mention.triaged.v1",
        id=f"{heard.event_id}{TRIAGED_SUFFIX}",
        source=source,
        subject=heard.mention_id,
        time=heard.heard_at,
        key=heard.conversation.key,
        extensions=extensions,
    )


def heard_id(headers: Headers) -> str:
    """Return the event id of the received record that a triaged one stands for."""
    return (header(headers, "id") or "").removesuffix(TRIAGED_SUFFIX)


def pack_command(command: Command, *, source: str) -> Packed:
    """Return the record of ``cases.commands.v1``."""
    return pack(
        command,
        type=f"command.{command.type}.v1",
        id=command.command_id,
        source=source,
        subject=command.case_id,
        time=command.issued_at,
        key=command.case_id,
    )
