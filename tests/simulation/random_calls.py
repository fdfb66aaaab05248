"""Random calls of the ledger's scripts from a small alphabet: they meet each other often."""

from __future__ import annotations

import random

from tests.simulation.model import Arg, ShardModel

CASES = ("s00-a-1", "s00-b-1", "s00-c-1")
LINES = ("line one", "line two")
EXECUTORS = ("slack", "x:acme")
TOPICS = ("mentions.triaged.v1", "cases.commands.v1", "mentions.received.v1")
NAMES = (
    *("commit",) * 8,
    *("read", "due", "effects", "attempt", "hold", "outbox", "trim", "refresh_done"),
    *("attempt", "set_epoch", "fence", "mark_unknown", "seed", "prune", "wipe"),
)


class Calls:
    """Makes one call after the other, most of them sensible on the state that stands."""

    def __init__(self, rng: random.Random, run_id: str) -> None:
        """Draw everything from this generator."""
        self._rng = rng
        self._run_id = run_id
        self._number = 0

    def next(self, model: ShardModel) -> tuple[str, list[Arg]]:
        """Return a script and its arguments."""
        self._number += 1
        name = "set_epoch" if "epoch" not in model.strings else self._rng.choice(NAMES)
        return name, getattr(self, f"_{name}")(model)

    def _epoch(self, model: ShardModel) -> str:
        if self._rng.random() < 0.05:
            return self._rng.choice(("7@" + self._run_id, "7@" + "0" * 40, "nothing"))
        stands = model.strings.get("epoch", b"").decode()
        return "" if self._rng.random() < 0.2 and not stands.startswith("rec") else stands

    def _millis(self, model: ShardModel) -> int:
        return model.clock() // 1000 + self._rng.randint(-50, 50)

    # -- the scripts' arguments -------------------------------------------------------------------

    def _set_epoch(self, model: ShardModel) -> list[Arg]:
        seen = model.strings.get("epoch", b"").decode()
        if self._rng.random() < 0.2:
            seen = "something else"
        new = f"recovering:t{self._number}" if self._rng.random() < 0.2 else str(self._number)
        return [seen, new, self._rng.choice((0, 1))]

    def _fence(self, _: ShardModel) -> list[Arg]:
        return []

    def _seed(self, model: ShardModel) -> list[Arg]:
        return [self._epoch(model), self._rng.choice(TOPICS), self._rng.randint(-1, 5)]

    def _prune(self, model: ShardModel) -> list[Arg]:
        return [self._epoch(model), self._millis(model) - 400, 3]

    def _wipe(self, model: ShardModel) -> list[Arg]:
        # Seldom in earnest: what stands is what the other calls meet.
        return [self._epoch(model) if self._rng.random() < 0.05 else "nothing"]

    def _due(self, model: ShardModel) -> list[Arg]:
        return [self._epoch(model), self._rng.randint(1, 3)]

    def _outbox(self, model: ShardModel) -> list[Arg]:
        return [self._epoch(model), self._rng.randint(1, 6)]

    def _trim(self, model: ShardModel) -> list[Arg]:
        entries = model.outbox or [((1, 0), b"", b"")]
        stamp, number = self._rng.choice(entries)[0]
        epoch = self._epoch(model)
        # Nothing is sent before a recovery has ended: the script has no answer to that.
        epoch = "nothing" if epoch.startswith("rec") else epoch
        return [epoch, f"{stamp}-{number}", self._rng.randint(0, 50)]

    def _effects(self, model: ShardModel) -> list[Arg]:
        return [self._epoch(model), self._rng.choice(EXECUTORS), self._rng.randint(1, 4)]

    def _known_effect(self, model: ShardModel) -> tuple[str, str]:
        found = [
            (name.partition(":")[2], effect.decode())
            for name, members in sorted(model.zsets.items())
            if name.startswith("effects:")
            for effect in sorted(members)
        ]
        if not found or self._rng.random() < 0.1:
            return self._rng.choice(EXECUTORS), f"effect {self._rng.randint(0, 5)}"
        return self._rng.choice(found)

    def _attempt(self, model: ShardModel) -> list[Arg]:
        return [self._epoch(model), *self._known_effect(model), self._rng.choice((0, 10, 100))]

    def _hold(self, model: ShardModel) -> list[Arg]:
        attempts = self._rng.choice(("", "0", "1", "1", "2"))
        return [self._epoch(model), *self._known_effect(model), self._rng.randint(0, 60), attempts]

    def _mark_unknown(self, model: ShardModel) -> list[Arg]:
        return [self._epoch(model), 0]

    def _refresh_done(self, model: ShardModel) -> list[Arg]:
        return [self._epoch(model), self._rng.choice(CASES), self._rng.randint(0, 9)]

    def _read(self, model: ShardModel) -> list[Arg]:
        args: list[Arg] = [self._epoch(model), *self._rng.sample(TOPICS, 2)]
        for found in (
            [f"cause {self._rng.randint(0, self._number)}" for _ in range(3)],
            list(LINES),
            ["mention 1", "mention 2"],
            ["mention 1", "mention 3"],
            self._rng.sample(CASES, 2),
        ):
            args += [len(found), *found]
        return args

    def _commit(self, model: ShardModel) -> list[Arg]:
        args: list[Arg] = [self._epoch(model), self._rng.choice(("", "", f"{self._number}|3"))]
        sequences = self._sequences(model)
        args += [len(sequences), *(arg for found in sequences for arg in found)]
        puts: list[Arg] = []
        count = self._rng.randint(0, 2)
        for _ in range(count):
            mode, name = self._rng.choice((("set", "mentions"), ("pending", "texts")))
            line = self._rng.choice(("", *LINES))
            puts += [mode, name, self._rng.choice(("mention 1", "effect 1", "effect 2"))]
            puts.append(f"{len(line)}:{line}{{}}")
        args += [count, *puts]
        commits = [self._one(model, place) for place in range(self._rng.randint(0, 4))]
        return [*args, len(commits), *(arg for found in commits for arg in found)]

    def _sequences(self, model: ShardModel) -> list[list[Arg]]:
        found: list[list[Arg]] = []
        for topic in self._rng.sample(TOPICS, self._rng.randint(0, 2)):
            seen = int(model.hashes.get("in", {}).get(topic.encode(), b"-1"))
            first = max(0, seen + self._rng.choice((1, 1, 1, 1, 0, -3, 2)))
            last = first + self._rng.randint(0, 3)
            records = last - first + (0 if self._rng.random() < 0.04 else 1)
            found.append([topic, first, last, records, self._rng.choice((0, 1))])
        return found

    def _one(self, model: ShardModel, place: int) -> list[Arg]:
        rng = self._rng
        new = rng.random() < 0.8
        cause = (
            f"cause {self._number}.{place}" if new else f"cause {rng.randint(0, self._number)}.0"
        )
        case = rng.choice(("", *CASES))
        head = model.hashes.get("heads", {}).get(case.encode(), b"").decode()
        expected = head if rng.random() < 0.85 else "another head"
        moved = bool(case) and rng.random() < 0.8
        line = rng.choice(("", *LINES))
        old = model.hashes.get("lines", {}).get(line.encode(), b"")
        operations = [self._operation(model) for _ in range(rng.randint(0, 4))]
        return [
            rng.choice((-1, self._number + place)),
            cause,
            rng.choice(("digest", "digest", "other")),
            "result",
            case,
            expected,
            f"event {self._number}.{place}" if moved else "",
            f'{{"state":{self._number}}}' if moved else "",
            rng.choice(("", "-", str(self._millis(model)))) if case else "",
            line,
            old if rng.random() < 0.9 else b"another line",
            f"{case}\n{{{self._number}}}" if line and rng.random() < 0.7 else "",
            len(operations),
            *(arg for found in operations for arg in found),
        ]

    def _operation(self, model: ShardModel) -> list[Arg]:
        rng = self._rng
        effect = f"effect {rng.randint(0, self._number // 20)}"
        executor = rng.choice(EXECUTORS)
        match rng.choice("OOEEEDCRT"):
            case "O":
                return ["O", f'{{"event":{self._number}}}', rng.randint(1, 3)]
            case "E":
                not_after = rng.choice(("", str(self._millis(model) + 100)))
                return ["E", executor, effect, self._millis(model), not_after, '{"an":\n"intent"}']
            case "D":
                return ["D", executor, effect]
            case "C":
                return ["C", executor, effect, "answered meanwhile"]
            case "R":
                return ["R", rng.choice(CASES), rng.randint(1, 9)]
            case _:
                return ["T", effect, "a text | with a bar"]
