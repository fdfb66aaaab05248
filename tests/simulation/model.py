"""One shard of the ledger in memory: what the Lua scripts do to it, in Python, and nothing else.

Promise: `ShardModel.run` answers as the script of the same name answers on a real server, byte for
byte, and leaves the same keys behind. `test_model_against_lua.py` plays the same random calls to
this class and to the real scripts and compares every answer and every key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.simulation.commit_model import CommitScript
from tests.simulation.keys import EffectRecord, stream_id

Arg = str | bytes | int
Reply = list[Any]


@dataclass(slots=True)
class ShardModel(CommitScript):
    """The keys of one shard on one server, and every script of the ledger."""

    def run(self, name: str, args: Sequence[Arg]) -> Reply:
        """Call a script."""
        script: Callable[[Sequence[bytes]], Reply] = getattr(self, f"_{name}")
        return script([arg if type(arg) is bytes else _ENCODED[arg] for arg in args])

    # -- the fence --------------------------------------------------------------------------------

    def _fence(self, _: Sequence[bytes]) -> Reply:
        return [self.strings.get("epoch", b""), self.run_id]

    def _set_epoch(self, args: Sequence[bytes]) -> Reply:
        found = self.strings.get("epoch", b"")
        if found != args[0] or (args[2] == b"1" and not self.own(found)):
            return [b"no", found]
        value = args[1] + b"@" + self.run_id
        self.strings["epoch"] = value
        return [b"ok", value]

    # -- reading ----------------------------------------------------------------------------------

    def _read(self, args: Sequence[bytes]) -> Reply:
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        causes, lines, mentions, targets, cases = _lists(args, 3)
        heard, awaited = self.getter("mentions"), self.getter("awaited")
        wanted: dict[bytes, None] = {}
        line_of = self.getter("lines")

        def put_line(line: bytes) -> None:
            raw = line_of(line)
            values.append(raw)
            if raw is not None and (case := raw.partition(b"\n")[0]):
                wanted[case] = None

        values = list(map(self.getter("causes"), causes))
        for line in lines:
            put_line(line)
        for mention in mentions:
            values += (heard(mention), awaited(mention))
        for mention in targets:
            raw = heard(mention)
            values.append(raw)
            size, _, rest = (raw or b"").partition(b":")
            if size.isdigit() and int(size) > 0:
                line = rest[: int(size)]
                values.append(line)
                put_line(line)
            else:
                values += (None, None)
        wanted.update(dict.fromkeys(case for case in cases if case))
        head, state = self.getter("heads"), self.getter("cases")
        for case in wanted:
            values += (case, head(case), state(case))
        return [
            b"ok",
            epoch,
            b"%d" % self.clock(),
            self.get("in", args[1]) or b"",
            self.get("in", args[2]) or b"",
            b",".join([b"-1" if value is None else b"%d" % len(value) for value in values]),
            b"".join([value for value in values if value]),
            [part for pair in self.hashes.get("erased", {}).items() for part in pair],
        ]

    def _due(self, args: Sequence[bytes]) -> Reply:
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        now = self.clock()
        answer: Reply = [b"ok", epoch, b"%d" % now]
        for case in self.up_to("due", now // 1000, int(args[1])):
            answer += (case, self.get("heads", case) or b"", self.get("cases", case) or b"")
        return answer

    def _effects(self, args: Sequence[bytes]) -> Reply:
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        now = self.clock()
        answer: Reply = [b"ok", epoch, b"%d" % now]
        for effect in self.up_to(f"effects:{args[1].decode()}", now // 1000, int(args[2])):
            answer += (effect, self.get("effect", effect) or b"")
        return answer

    # -- the outbox and the log -------------------------------------------------------------------

    def _outbox(self, args: Sequence[bytes]) -> Reply:
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        found = (self.outbox or [])[: int(args[1])]
        return [
            b"ok",
            epoch,
            [[b"%d-%d" % at, [b"b", body, b"n", parts]] for at, body, parts in found],
        ]

    def _trim(self, args: Sequence[bytes]) -> Reply:
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        if self.outbox is not None:
            sent = stream_id(args[1])
            self.outbox = [entry for entry in self.outbox if entry[0] > sent]
        self.strings["sent"] = args[1]
        offset = _offset(self.strings.get("log", b""))
        if int(args[2]) > offset:
            self.strings["log"] = args[2] + b"|" + epoch.partition(b"@")[0]
        return [b"ok", len(self.outbox or ())]

    def _seed(self, args: Sequence[bytes]) -> Reply:
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        return [b"ok", self.hash("in").setdefault(args[1], args[2])]

    def _prune(self, args: Sequence[bytes]) -> Reply:
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        before = float(args[1])
        found = sorted((at, one) for one, at in self.zset("causes:at").items() if at < before)
        old = [cause for _, cause in found[: int(args[2])]]
        for cause in old:
            self.hash("causes").pop(cause, None)
            self.zset("causes:at").pop(cause, None)
        return [b"ok", len(old)]

    # -- effects ----------------------------------------------------------------------------------

    def _attempt(self, args: Sequence[bytes]) -> Reply:  # noqa: PLR0911 - one row a reason
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        now = self.millis()
        entries = self.zset(f"effects:{args[1].decode()}")
        raw, score = self.get("effect", args[2]), entries.get(args[2])
        if raw is None or score is None:
            return [b"no", b"gone"]
        if score > now:
            return [b"no", b"not_due"]
        record = EffectRecord.of(raw)
        if record.unknown == b"1":
            return [b"no", b"unknown"]
        if record.cancelled:
            return [b"no", b"cancelled", record.cancelled]
        if record.not_after and now > int(record.not_after):
            return [b"no", b"too_late"]
        sent = stream_id(self.strings.get("sent", b"0-0"))
        if record.outbox and sent < stream_id(record.outbox):
            return [b"no", b"not_in_log"]
        record.attempts += 1
        record.attempted_at = b"%d" % now
        record.unknown = b"1"
        self.hash("effect")[args[2]] = record.raw()
        entries[args[2]] = float(now + int(args[3]))
        return [b"ok", b"%d" % record.attempts, b"%d" % now]

    def _hold(self, args: Sequence[bytes]) -> Reply:
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        raw = self.get("effect", args[2])
        if raw is None:
            return [b"no", b"gone"]
        record = EffectRecord.of(raw)
        if args[4] and int(args[4]) != record.attempts:
            return [b"no", b"attempted"]
        entries = self.zset(f"effects:{args[1].decode()}")
        if args[2] in entries:
            entries[args[2]] = float(self.millis() + int(args[3]))
        if args[4]:
            record.unknown = b"0"
            self.hash("effect")[args[2]] = record.raw()
        return [b"ok"]

    def _mark_unknown(self, args: Sequence[bytes]) -> Reply:
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        now = b"%d" % self.millis()
        found = self.hash("effect")
        for effect, raw in found.items():
            record = EffectRecord.of(raw)
            record.attempts = max(record.attempts, 1)
            record.attempted_at = now
            record.unknown = b"1"
            found[effect] = record.raw()
        return [b"ok", b"0", b"%d" % len(found)]

    def _wipe(self, args: Sequence[bytes]) -> Reply:
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        self.flush()
        self.strings["epoch"] = epoch
        return [b"ok"]

    def _refresh_done(self, args: Sequence[bytes]) -> Reply:
        ok, epoch = self.stands(args[0])
        if not ok:
            return [b"fenced", epoch]
        entries = self.zset("refresh")
        wanted = entries.get(args[1])
        if wanted is not None and wanted <= float(args[2]):
            del entries[args[1]]
        return [b"ok"]


class _Encoded(dict[str | int, bytes]):
    """Arguments as they travel, each worked out once."""

    def __missing__(self, arg: str | int) -> bytes:
        found = str(arg).encode()
        if len(self) >= _MANY:
            self.clear()
        self[arg] = found
        return found


_MANY = 100_000
_ENCODED = _Encoded()


def _lists(args: Sequence[bytes], at: int) -> Iterator[Sequence[bytes]]:
    while at < len(args):
        count = int(args[at])
        yield args[at + 1 : at + 1 + count]
        at += 1 + count


def _offset(log: bytes) -> int:
    offset, bar, _ = log.partition(b"|")
    return int(offset) if bar and offset.isdigit() else -1
