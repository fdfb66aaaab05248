"""Bugs to plant: each breaks one rule, by changing one place of the source (`planter.py`).

Promise: nothing of the product knows of them; `name` says which rule a bug breaks, `seed` a
schedule that shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

_LEDGER = "careline.ledger."
_DOMAIN = "careline.domain."
_SCRIPTS = "tests.simulation."
"""The scripts in Python, held to the real ones by a test of their own."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One place in one module, and what stands there instead."""

    module: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Bug:
    """One broken rule."""

    name: str
    edits: tuple[Edit, ...]
    under: tuple[str, ...] = ()
    """Kinds of faults under which it shows itself; none: any."""
    seed: int | None = None
    """One that shows it: tried first."""


def _bug(name: str, module: str, old: str, new: str, *under: str, seed: int | None = None) -> Bug:
    return Bug(name, (Edit(module, old, new),), under, seed)


BUGS = (
    _bug(
        "no fence check in any script",
        _SCRIPTS + "keys",
        'found = self.strings.get("epoch")\n        if found is None:',
        'found = self.strings.get("epoch", b"0@0")\n        if found:\n'
        '            return True, b"0@0" if found.startswith(b"r") else found\n'
        "        if found is None:",
        seed=0,
    ),
    _bug(
        "the run id of the server is not checked",
        _SCRIPTS + "keys",
        'return epoch.endswith(b"@" + self.run_id)',
        'return b"@" in epoch',
        seed=7,
    ),
    _bug(
        "two recoveries do not fence each other",
        _SCRIPTS + "model",
        'if found != args[0] or (args[2] == b"1" and not self.own(found)):',
        "if False:",
        "recovery freezes before its last step",
        seed=0,
    ),
    Bug(
        "what a failover lost is not replayed, neither then nor later",
        (
            Edit(
                _LEDGER + "recovery",
                "for topic in (MENTIONS_TRIAGED.name, CASES_COMMANDS.name):\n"
                "        await replay_input",
                "for topic in ():\n        await replay_input",
            ),
            Edit(
                _SCRIPTS + "commit_model",
                "if seen is not None and int(first) > seen + 1:",
                "if False:",
            ),
        ),
        ("failover", "flush", "stale promotion"),
        seed=4,
    ),
    _bug(
        "the log is not absorbed in a recovery",
        _LEDGER + "recovery",
        "_read(reader, shard, topic, start, n + 1)",
        "_read(reader, shard, topic, n, n + 1)",
        "flush",
        "stale promotion",
        seed=0,
    ),
    _bug(
        "effects do not count as attempted after a recovery",
        _LEDGER + "recovery",
        "marked = await _mark_unknown(ledger, shard, epoch)",
        "marked = 0",
        "failover",
        "redis loses its tail",
        "slack trouble",
        seed=3,
    ),
    _bug(
        "a late EpochStarted voids the life that began before it",
        _LEDGER + "recovery",
        'extensions={"epoch": str(known)},',
        "extensions=None,",
        "late outbox, then flush",
        seed=3,
    ),
    _bug(
        "the outbox is trimmed before its acknowledgement",
        _LEDGER + "outboxes",
        "    answers = await _send_all(producer, full, fences)\n",
        "    early = {s: (fences[s].value, found[-1][0], -1) for s, found in full.items()}\n"
        '    await _run(ledger, "trim", early, {})\n'
        "    answers = await _send_all(producer, full, fences)\n",
        "kafka trouble",
        seed=0,
    ),
    _bug(
        "void records are absorbed",
        _LEDGER + "outbox",
        "if epoch < self.current:",
        "if epoch < -1:",
        "late outbox, then flush",
        "kafka trouble",
        "flush",
        seed=14,
    ),
    _bug(
        "the outbox stamps no epoch of its own",
        _LEDGER + "outbox",
        '("ce_epoch", b"%d" % epoch)',
        '("ce_epoch", b"%d" % 10**9)',
        "late outbox, then flush",
        "kafka trouble",
        "flush",
        seed=2,
    ),
    _bug(
        "a cause cut off in the log is absorbed as it is",
        _LEDGER + "absorb",
        "return len(self.events) >= self.parts",
        "return True",
        seed=0,
    ),
    _bug(
        "causes are not recorded",
        _SCRIPTS + "commit_model",
        'self.hash("causes")[cause] = digest + b"|" + result',
        "pass",
        seed=0,
    ),
    _bug(
        "the last event decided on is not compared",
        _SCRIPTS + "commit_model",
        '(heads.get(case) or head_of(case) or b"") != expected',
        "False",
        "two workers, slow redis",
        seed=36,
    ),
    Bug(
        "a conflict is taken for done, and `in` moves past it",
        (
            Edit(_LEDGER + "batch", "if letter not in _SETTLED:", 'if letter == "?":'),
            Edit(
                _SCRIPTS + "commit_model",
                "last = min(last, conflict - 1) if place == 0 else sequence.seen",
                "pass",
            ),
        ),
        ("redis slow", "two workers, slow redis"),
        seed=69,
    ),
    _bug(
        "input out of sequence is accepted",
        _SCRIPTS + "commit_model",
        "if seen is not None and int(first) > seen + 1:",
        "if False:",
        "batch cancelled",
        seed=0,
    ),
    _bug(
        "what triage passed over is not noticed",
        _LEDGER + "batch",
        "if last is not None and source > last + 1:",
        "if False:",
        "batch cancelled",
        seed=0,
    ),
    _bug(
        "a due entry is taken out when it is read",
        _SCRIPTS + "model",
        'answer += (case, self.get("heads", case) or b"", self.get("cases", case) or b"")',
        'self.zsets["due"].pop(case)\n            '
        'answer += (case, self.get("heads", case) or b"", self.get("cases", case) or b"")',
        "redis trouble",
        "worker dies",
        seed=0,
    ),
    Bug(
        "an unknown outcome is tried again without a search",
        (
            Edit(
                _LEDGER + "executor",
                "if pending.unknown:",
                "if False:",
            ),
            Edit(_SCRIPTS + "model", 'if record.unknown == b"1":', "if False:"),
        ),
        seed=0,
    ),
    _bug(
        "the search comes before a late call may have landed",
        _LEDGER + "executor",
        "return self.request_timeout + self.landing",
        "return self.request_timeout",
        "slack trouble",
        "network trouble",
        seed=2,
    ),
    _bug(
        "an effect starts before its event is in the log",
        _SCRIPTS + "model",
        "if record.outbox and sent < stream_id(record.outbox):",
        "if False:",
        "log away, then flush",
        seed=0,
    ),
    _bug(
        "a reply is sent after its time",
        _SCRIPTS + "model",
        "if record.not_after and now > int(record.not_after):",
        "if False:",
        "network blocked",
        seed=0,
    ),
    _bug(
        "an own post does not cancel the reply in flight",
        _DOMAIN + "derive",
        'return _pointless(case, event.covers, "answered meanwhile")',
        "return ()",
        "network blocked",
        seed=28,
    ),
    _bug(
        "a lease expires while a reply is in flight",
        _DOMAIN + "steps",
        "if case.claim is not None and not sending and not snoozed:",
        "if case.claim is not None and not snoozed:",
        seed=0,
    ),
    _bug(
        "a second reply is accepted while one is in flight",
        _DOMAIN + "decide_commands",
        "    if case.reply is not None:\n        return e.Refusal.REPLY_IN_FLIGHT",
        "    if False:\n        return e.Refusal.REPLY_IN_FLIGHT",
        seed=0,
    ),
    _bug(
        "a resolve closes what its sender's card did not show",
        _DOMAIN + "decide_commands",
        "        return e.Refusal.REPLY_IN_FLIGHT\n    covers = tuple(\n"
        "        found.mention_id for found in case.open_obligations "
        "if found.mention_id in command.covers",
        "        return e.Refusal.REPLY_IN_FLIGHT\n    covers = tuple(\n"
        "        found.mention_id for found in case.open_obligations if found.mention_id",
        seed=7,
    ),
    _bug(
        "a command is carried out after its time",
        _DOMAIN + "decide_commands",
        "if command.not_after is not None and draft.now > command.not_after:",
        "if False:",
        seed=1,
    ),
    _bug(
        "a claim takes a case away from its holder",
        _DOMAIN + "decide_commands",
        "    if claim is None or actor.kind not in _HOLDERS_ONLY:",
        "    if True:",
        seed=0,
    ),
    _bug(
        "the ladder ends after its last step",
        _DOMAIN + "steps",
        "if case.ladder is not None:",
        "if case.ladder is not None and not case.ladder.exhausted:",
        seed=0,
    ),
    _bug(
        "a killed recovery is taken for a finished one",
        _LEDGER + "fence",
        "return self.n is not None and not self.foreign",
        "return (self.n is not None or self.recovering) and not self.foreign",
        "flush, recovery killed",
        seed=3,
    ),
    _bug(
        "what a dead worker left in the outbox is thrown away",
        _SCRIPTS + "model",
        'value = args[1] + b"@" + self.run_id',
        'value = args[1] + b"@" + self.run_id\n        self.outbox = None',
        "worker dies behind its commit",
        "redis restarts",
        seed=0,
    ),
    _bug(
        "the outbox is trimmed beyond what was sent",
        _SCRIPTS + "model",
        "self.outbox = [entry for entry in self.outbox if entry[0] > sent]",
        "self.outbox = []",
        seed=6,
    ),
    _bug(
        "an own post heard before its mention is forgotten",
        _LEDGER + "deciding",
        'self.puts.append(Put("awaited", target_id, post.native_id.encode()))\n'
        "            self.snapshot.awaited[target_id] = post.native_id",
        "pass",
        seed=3,
    ),
    _bug(
        "a delivered reply answers what came while it was in flight",
        _DOMAIN + "decide_mentions",
        "if found.mention_id in reply.covers",
        "if found.mention_id",
        "network trouble",
        seed=0,
    ),
    _bug(
        "what triage passed over before its very first record is not noticed",
        _LEDGER + "batch",
        "if last is None and item.record.offset == 0:",
        "if False:",
        "batch cancelled",
        seed=15,
    ),
    _bug(
        "who slept between an attempt and its call makes it all the same",
        _LEDGER + "executor",
        "call_by=started + _LATEST_CALL_S",
        "call_by=10.0**9",
        "sender frozen before its write",
        "redis trouble",
        seed=7,
    ),
    _bug(
        "a copy that others have gone on without sends what it never sent",
        _LEDGER + "recovery",
        "if await _left_behind(ledger, reader, shard, n):",
        "if False:",
        "flush",
        "flush, then stale promotion",
        "kafka trouble",
        "log away, then flush",
        seed=22,
    ),
    _bug(
        "a recovery that was overtaken takes the other's place in the log for a loss",
        _LEDGER + "recovery",
        "if (stands := await ledger.fence(shard)).value != epoch:\n"
        "            raise Fenced(shard, stands.value)\n"
        "        raise InputLost(shard, topic, start, begin if start < begin else n)",
        "raise InputLost(shard, topic, start, begin if start < begin else n)",
        "two owners",
        "flush, recovery killed",
        "recovery freezes before its last step",
        "redis slow",
        seed=24,
    ),
)
