"""The commit script in Python: checks everything first, then writes, as ``commit.lua`` does.

Promise: the same verdicts, the same writes, in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.simulation.keys import EffectRecord, Keys

_ARITY = {b"O": 2, b"E": 5, b"D": 2, b"C": 3, b"R": 2, b"T": 2}
_FIELDS = 12


@dataclass(slots=True)
class _Sequence:
    topic: bytes
    last: int
    seen: int


@dataclass(slots=True)
class _Commit:
    fields: Sequence[bytes]
    begin: int
    operations: int
    letter: str = ""


@dataclass(slots=True)
class CommitScript(Keys):
    """Keys with the script that changes cases."""

    def _commit(self, args: Sequence[bytes]) -> list[Any]:
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        at = 2
        count, at = int(args[at]), at + 1
        sequences: list[_Sequence] = []
        for _ in range(count):
            topic, first, last, records, strict = args[at : at + 5]
            at += 5
            known = self.get("in", topic)
            if int(last) - int(first) + 1 != int(records):
                return [b"hole", topic]
            seen = int(known) if known is not None else (-1 if strict == b"1" else None)
            if seen is not None and int(first) > seen + 1:
                return [b"gap", topic, b"%d" % (seen + 1)]
            sequences.append(_Sequence(topic, int(last), -1 if seen is None else seen))
        puts, count = at + 1, int(args[at])
        put_count = count
        at = puts + count * 4
        commits = _commits(args, at)
        first_conflict = self._judge(commits)
        # From here on there are only writes.
        now = float(self.millis())
        for commit in commits:
            if commit.letter == "d":
                self._write(args, commit, now)
        effects = self.hashes.get("effect", {})
        for place in range(puts, puts + put_count * 4, 4):
            mode, name, field_name, value = args[place : place + 4]
            if mode == b"set" or field_name in effects:
                self.hash(name.decode())[field_name] = value
        self._move(sequences, first_conflict)
        if args[1]:
            self.strings["log"] = args[1]
        letters = "".join(commit.letter for commit in commits)
        return [b"ok", letters.encode(), len(self.outbox or ())]

    def _judge(self, commits: Sequence[_Commit]) -> int | None:
        """Give each commit its letter; return the first offset that is still to be decided."""
        heads: dict[bytes, bytes] = {}
        lines: dict[bytes, bytes] = {}
        causes: dict[bytes, bytes] = {}
        broken: set[tuple[str, bytes]] = set()
        conflict: int | None = None
        cause_of, head_of, line_of = map(self.getter, ("causes", "heads", "lines"))
        for commit in commits:
            offset, cause, digest, _, case, expected, head, _, _, line, old, new = commit.fields
            known = causes.get(cause) or cause_of(cause)
            if ("c", case) in broken or ("l", line) in broken:
                letter = "c"
            elif known is not None:
                letter = "r" if known[: len(digest)] == digest else "x"
            elif (case and (heads.get(case) or head_of(case) or b"") != expected) or (
                line and (lines.get(line) or line_of(line) or b"") != old
            ):
                letter = "c"
            else:
                letter = "d"
            commit.letter = letter
            if letter == "d":
                causes[cause] = digest
                if head:
                    heads[case] = head
                if new:
                    lines[line] = new
                continue
            broken.update({("c", case)} if case else ())
            broken.update({("l", line)} if line else ())
            if letter in "cx" and conflict is None and int(offset) >= 0:
                conflict = int(offset)
        return conflict

    def _write(self, args: Sequence[bytes], commit: _Commit, now: float) -> None:
        _, cause, digest, result, case, _, head, state, due, line, _, new = commit.fields
        self.hash("causes")[cause] = digest + b"|" + result
        self.zset("causes:at")[cause] = now
        if state:
            self.hash("cases")[case] = state
            self.hash("heads")[case] = head
        if due == b"-":
            self.zset("due").pop(case, None)
        elif due:
            self.zset("due")[case] = float(due)
        if new:
            self.hash("lines")[line] = new
        logged = b""
        at = commit.begin
        for _ in range(commit.operations):
            code = args[at]
            given = args[at + 1 : at + 1 + _ARITY[code]]
            if code == b"O":
                logged = self.append(*given)
            else:
                self._effect(code, given, logged)
            at += 1 + _ARITY[code]

    def _effect(self, code: bytes, given: Sequence[bytes], logged: bytes) -> None:
        if code == b"E":
            executor, effect, due, not_after, intent = given
            if effect not in self.hash("effect"):
                raw = b"0||0|%b|%b|%b|\n%b" % (logged, not_after, due, intent)
                self.hash("effect")[effect] = raw
                self.zset(f"effects:{executor.decode()}")[effect] = float(due)
        elif code == b"D":
            self.zset(f"effects:{given[0].decode()}").pop(given[1], None)
            self.hash("effect").pop(given[1], None)
        elif code == b"C":
            stored = self.hash("effect").get(given[1])
            if stored is None:
                return
            record = EffectRecord.of(stored)
            record.cancelled = given[2]
            self.hash("effect")[given[1]] = record.raw()
            entries = self.zset(f"effects:{given[0].decode()}")
            if record.unknown == b"0" and given[1] in entries:
                entries[given[1]] = 0.0
        elif code == b"R":
            entries = self.zset("refresh")
            entries[given[0]] = max(entries.get(given[0], float("-inf")), float(given[1]))
        else:
            self.hash("texts")[given[0]] = given[1]

    def _move(self, sequences: Sequence[_Sequence], conflict: int | None) -> None:
        for place, sequence in enumerate(sequences):
            last = sequence.last
            if conflict is not None:
                last = min(last, conflict - 1) if place == 0 else sequence.seen
            if last > sequence.seen:
                self.hash("in")[sequence.topic] = b"%d" % last


def _commits(args: Sequence[bytes], at: int) -> list[_Commit]:
    found: list[_Commit] = []
    count, at = int(args[at]), at + 1
    for _ in range(count):
        fields = args[at : at + _FIELDS]
        operations = int(args[at + _FIELDS])
        at += _FIELDS + 1
        found.append(_Commit(fields, at, operations))
        for _ in range(operations):
            at += 1 + _ARITY[args[at]]
    return found
