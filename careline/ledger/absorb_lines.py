"""What the log says of lines: which case is a line's, and what own posts have answered in it.

Promise: pure; a line is rebuilt from the events of its cases alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from careline.domain.case import Case, Line
from careline.ledger.commits import Commit
from careline.ledger.snapshot import Snapshot
from schemas import events as e

Logged = e.CaseEvent | e.UnknownEvent | e.CommandRefused | e.AuthorErased


def lines_named(events: Iterable[Logged]) -> Iterator[str]:
    """Yield the lines that events name themselves."""
    for event in events:
        if isinstance(event, e.CaseOpened):
            yield event.line
        elif isinstance(event, e.CaseSnapshotted):
            yield str(event.state.get("line", ""))


def other_lines(snapshot: Snapshot, events: Iterable[Logged]) -> tuple[str, ...]:
    """Return the lines, not read yet, of cases that an own post answered."""
    lines: dict[str, None] = {}
    for event in events:
        if isinstance(event, e.ObligationsAnswered) and event.up_to is not None:
            case = snapshot.case(event.case_id).case
            if case is not None and case.line not in snapshot.lines:
                lines[case.line] = None
    return tuple(lines)


def line_after(
    commit: Commit, snapshot: Snapshot, event: e.CaseEvent | e.UnknownEvent, case: Case
) -> None:
    """Rebuild the line's record from what its cases say of it; ``case`` is after the event."""
    new = _changed_line(snapshot.line(case.line).line, event, case)
    if new is None:
        return
    old = snapshot.line(case.line)
    if not commit.line:
        commit.line, commit.old_line = case.line, old.raw
    commit.new_line = snapshot.put_line(case.line, new)


def _changed_line(old: Line, event: e.CaseEvent | e.UnknownEvent, case: Case) -> Line | None:
    match event:
        case e.CaseOpened(kind=e.CaseKind.CARE):
            return Line(
                case_id=event.case_id,
                episode=event.episode,
                answered_up_to=old.answered_up_to,
            )
        case e.ObligationsAnswered() if event.up_to is not None:
            up_to = max(found for found in (old.answered_up_to, event.up_to) if found)
            return Line(case_id=old.case_id, episode=old.episode, answered_up_to=up_to)
        case e.CaseSnapshotted() if case.kind is e.CaseKind.CARE and case.episode > old.episode:
            return Line(
                case_id=case.case_id, episode=case.episode, answered_up_to=case.answered_up_to
            )
        case _:
            return None
