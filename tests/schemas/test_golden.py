"""Records of older versions are read, and their histories come to the same, with today's code.

The files in ``golden`` were written once by the version whose date they carry and are never changed
or made anew; a version that adds a kind adds a file. Each line is a record as it stood in a topic
or in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from careline.domain.case import Case
from careline.domain.codec import case_state, dump_case, load_case
from careline.domain.evolve import evolve
from schemas.commands import COMMAND
from schemas.envelope import Unreadable, unpack
from schemas.events import LOG, UNKNOWN, AuthorErased, CaseEvent, CommandRefused, EpochStarted
from schemas.mentions import HEARD
from schemas.triage import TRIAGED

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())
ADAPTERS: dict[str, TypeAdapter[Any]] = {
    "events": LOG,
    "commands": COMMAND,
    "heard": HEARD,
    "triaged": TRIAGED,
}
RECORDS = [(version, name) for version in VERSIONS for name in ADAPTERS]


def lines(version: str, name: str) -> list[bytes]:
    return (GOLDEN / version / f"{name}.jsonl").read_bytes().splitlines()


def histories(version: str) -> Iterator[tuple[bytes, list[CaseEvent]]]:
    """Yield each case as it was stored, with its events."""
    events: dict[str, list[Any]] = {}
    for line in lines(version, "events"):
        event = unpack(LOG, line)
        if not isinstance(event, (CommandRefused, EpochStarted, AuthorErased)):
            events.setdefault(event.case_id, []).append(event)
    for line in lines(version, "cases"):
        yield line, events.pop(load_case(line).case_id)
    assert events == {}


def with_more(record: Any) -> Any:
    """Return a record as a newer version might write it: with fields that nobody knows here."""
    if isinstance(record, dict):
        return {name: with_more(value) for name, value in record.items()} | {"from_v2": {"a": 1}}
    return record


@pytest.mark.parametrize(("version", "name"), RECORDS)
def test_every_record_of_an_older_version_is_read(version: str, name: str) -> None:
    records = lines(version, name)
    assert records
    for line in records:
        read = unpack(ADAPTERS[name], line)
        # What was said then is said still: new fields only join it.
        assert _is_in(json.loads(line), json.loads(read.model_dump_json())), line


@pytest.mark.parametrize("version", VERSIONS)
def test_a_history_of_an_older_version_comes_to_the_state_it_had(version: str) -> None:
    found = list(histories(version))
    assert len(found) > 1
    for stored, events in found:
        case: Case | None = None
        for event in events:
            case = evolve(case, event)
        assert case is not None
        # All that it was then it is still; later versions may find more in the same events.
        assert _is_in(json.loads(stored), case_state(case))
        old = load_case(stored)
        assert load_case(dump_case(old)) == old


@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_version_has_every_kind_that_it_knew(version: str) -> None:
    kinds = {json.loads(line)["type"] for line in lines(version, "events")}
    known = set((GOLDEN / version / "kinds.txt").read_text(encoding="utf-8").split())
    assert kinds == known
    assert known <= {kind.model_fields["type"].default for kind in _log_kinds()}, "none is dropped"


@pytest.mark.parametrize(("version", "name"), RECORDS)
def test_fields_that_only_a_newer_version_knows_are_ignored(version: str, name: str) -> None:
    for line in lines(version, name):
        newer = json.dumps(with_more(json.loads(line))).encode()
        assert unpack(ADAPTERS[name], newer) == unpack(ADAPTERS[name], line)


def test_a_kind_that_only_a_newer_version_knows_is_unreadable_and_says_why() -> None:
    body = json.loads(lines(VERSIONS[0], "events")[0]) | {"type": "case.teleported"}
    raw = json.dumps(body).encode()
    with pytest.raises(Unreadable) as error:
        unpack(LOG, raw)
    assert error.value.reason == "invalid:union_tag_invalid"
    assert unpack(UNKNOWN, raw).version == body["version"]


def _log_kinds() -> list[Any]:
    return [*get_args(CaseEvent), CommandRefused, EpochStarted]


def _is_in(old: Any, new: Any) -> bool:
    """Whether all that an old record says stands in the new one."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(
            name in new and _is_in(value, new[name]) for name, value in old.items()
        )
    if isinstance(old, list):
        return isinstance(new, list) and len(old) == len(new) and all(map(_is_in, old, new))
    return bool(old == new)
