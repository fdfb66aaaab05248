"""Counts which branches of a Lua script are taken, by rewriting it: for tests of the scripts alone.

Promises: the rewritten script answers and writes as the original does, apart from one hash of
counts; every condition, every left side of `and` and `or` (true and false), every body of a loop
and of a function is counted. Enough Lua for the ledger's scripts, no more: conditions without
functions in them, comments of one line.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

COUNTS: Final = "branches"
_COUNTERS: Final = f"""
local __seen = {{}}
local function __b(name)
  if __seen[name] then return end
  __seen[name] = true
  redis.call('HINCRBY', '{COUNTS}', name, 1)
end
local function __c(name, value)
  __b(name .. (value and ' is true' or ' is false'))
  return value
end
"""
_TOKEN: Final = re.compile(
    r"(?P<space>\s+)|(?P<comment>--[^\n]*)|(?P<string>'(?:\\.|[^'\\])*')"
    r"|(?P<word>[A-Za-z_0-9]+)|(?P<symbol>\.\.\.?|==|~=|<=|>=|.)"
)
_BEFORE_AN_EXPRESSION: Final = frozenset(
    {"return", "if", "elseif", "while", "until", "in", "then", "do", "else", "local", "=", ",", ";"}
)
_OPENING: Final = frozenset("([{")
_CLOSING: Final = frozenset(")]}")


@dataclass
class Branches:
    """A script in the making: its tokens, and what is put around them."""

    name: str
    tokens: list[str] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    """What must be counted at least once for every branch to have been taken."""
    _lines: list[int] = field(default_factory=list)
    _before: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    _after: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    def read(self, source: str) -> None:
        """Take the script apart and mark its branches."""
        line = 1
        for found in _TOKEN.finditer(source):
            if found.lastgroup not in {"space", "comment"}:
                self.tokens.append(found.group())
                self._lines.append(line)
            line += found.group().count("\n")
        for at, token in enumerate(self.tokens):
            if token in {"if", "elseif"}:
                self._condition(at)
            elif token in {"and", "or"}:
                self._left_side(at)
            elif token == "do":
                self._body(at, self._after[at])
            elif token == "function":
                self._body(at, self._after[self.tokens.index(")", at)])

    def _condition(self, at: int) -> None:
        end = self.tokens.index("then", at)
        self._after[at].append(f"__c('{self._named(at + 1, end)}',")
        self._before[end].append(")")

    def _left_side(self, at: int) -> None:
        begin, depth = at, 0
        while begin > 0:
            token = self.tokens[begin - 1]
            if token in _CLOSING:
                depth += 1
            elif token in _OPENING and depth:
                depth -= 1
            elif token in _OPENING or (depth == 0 and self._ends_left(token, self.tokens[at])):
                break
            begin -= 1
        # What begins at the same place and was found earlier is a part of this.
        self._before[begin].insert(0, f"__c('{self._named(begin, at)}',")
        self._after[at - 1].append(")")

    @staticmethod
    def _ends_left(token: str, operator: str) -> bool:
        return token in _BEFORE_AN_EXPRESSION or (operator == "and" and token == "or")

    def _body(self, at: int, place: list[str]) -> None:
        name = f"{self.name}:{self._lines[at]} {self.tokens[at]}"
        name = self._unique(f"{name} is entered").removesuffix(" is entered")
        place.append(f" __b('{name} is entered') ")
        self.wanted.append(f"{name} is entered")

    def _named(self, begin: int, end: int) -> str:
        said = " ".join(self.tokens[begin:end]).replace("'", "`").replace("\\", "/")
        name = f"{self.name}:{self._lines[begin]} {said}"
        name = self._unique(f"{name} is true").removesuffix(" is true")
        self.wanted += [f"{name} is true", f"{name} is false"]
        return name

    def _unique(self, name: str) -> str:
        place, again = name, 2
        while place in self.wanted:
            place, again = name.replace(":", f"({again}):", 1), again + 1
        return place

    def text(self) -> str:
        """Return the script with its counters."""
        return " ".join(self._pieces())

    def _pieces(self) -> Iterator[str]:
        for at, token in enumerate(self.tokens):
            yield from self._before[at]
            yield token
            yield from self._after[at]


def counting(name: str, prelude: str, source: str) -> tuple[str, list[str]]:
    """Return a script with its prelude that counts, and all that can be counted."""
    parts = []
    for part, text in (("prelude", prelude), (name, source)):
        branches = Branches(part)
        branches.read(text)
        parts.append(branches)
    body = "\n".join(part.text() for part in parts)
    return f"{_COUNTERS}{body}", [each for part in parts for each in part.wanted]
