"""The rules of triage as one readable file: the shipped one, or a brand's own laid over it.

Promise: a rulebook that could be read is whole and valid: every phrase can match, every floor
raises, every name is known. What is wrong is told with file, line, key and the next step. Reading
it is the only I/O; the rest of triage takes it as a value.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from careline.runtime.errors import ConfigurationError
from careline.triage.lexicon.lists import LOADER, STEM_MAX, STEM_MIN
from careline.triage.lexicon.words import WORD
from schemas.triage import Urgency

SHIPPED: Final = "rules.yaml"
HINT: Final = "correct it; what each part means: docs/triage.md"
_HOURS: Final = {"m": 1 / 60, "h": 1.0, "d": 24.0}
_TIME: Final = re.compile(r"^(\d+(?:\.\d+)?)\s*([mhd])$")
_LANGUAGE: Final = re.compile(r"^[a-z]{2}$")


def read_hours(value: object) -> object:
    """Read `30m`, `3h` or `2d` as hours; anything else is left to be refused."""
    found = _TIME.match(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no time: write 30m, 3h or 2d")
    return float(found.group(1)) * _HOURS[found.group(2)]


def _checked_phrases(languages: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    for language, phrases in languages.items():
        if not _LANGUAGE.match(language):
            raise ValueError(f"{language!r} is no language: write two letters, such as en")
        for phrase in phrases:
            if (fault := _fault(phrase)) is not None:
                raise ValueError(f"{language}: {phrase!r} {fault}")
    return languages


def _fault(phrase: str) -> str | None:
    """Say why a phrase could never be found in a text."""
    parts = phrase.lower().split()
    if not parts:
        return "is empty"
    if ".." in {parts[0], parts[-1]}:
        return "begins or ends with `..`, which stands for words between two others"
    for part in parts:
        word = part.removesuffix("*")
        if part == "..":
            continue
        if not WORD.fullmatch(word):
            return f"has {part!r}, which is no single word"
        if part.endswith("*") and part is parts[0] and not STEM_MIN <= len(word) <= STEM_MAX:
            return (
                f"begins with {part!r}: before `*` there must be {STEM_MIN} to {STEM_MAX} letters"
            )
    return None


Floor = Annotated[
    Literal["normal", "high", "critical"],
    Field(description="An urgency below which a message of this kind never is."),
]
Hours = Annotated[float, BeforeValidator(read_hours)]
Phrases = Annotated[Mapping[str, tuple[str, ...]], AfterValidator(_checked_phrases)]
"""By language."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Workflow(_Part):
    """Words that name a kind of trouble, and how urgent it is at least."""

    floor: Floor
    says: str = Field(min_length=1)
    """The reason as an agent reads it."""
    topic: str = ""
    """What it is counted under; without it, the workflow's own name."""
    words: Phrases

    @property
    def urgency(self) -> Urgency:
        """The floor."""
        return Urgency(self.floor)


class FromNumber(_Part):
    """A floor from a number on: followers, contacts, a sum of money."""

    from_: float = Field(alias="from", gt=0)
    floor: Floor


class FromTime(_Part):
    """A floor from a time on: a wait."""

    from_: Hours = Field(alias="from")
    floor: Floor


class Within(_Part):
    """A floor for what will be over within a time."""

    within: Hours
    floor: Floor


class Tiers(_Part):
    """Who writes."""

    vip: Floor | None = None
    followers: tuple[FromNumber, ...] = ()


class Thread(_Part):
    """What the thread shows."""

    contacts: tuple[FromNumber, ...] = ()
    waiting: tuple[FromTime, ...] = ()


class Waiting(_Part):
    """What the author says of the wait."""

    floors: tuple[FromTime, ...] = ()
    words: Phrases = {}


class Money(_Part):
    """Sums of money."""

    floors: tuple[FromNumber, ...] = ()
    words: Phrases = {}


class Deadlines(_Part):
    """Events, and how soon they are."""

    floors: tuple[Within, ...] = ()
    events: Phrases = {}
    soon: Mapping[str, Mapping[str, Hours]] = {}
    before: Phrases = {}

    @model_validator(mode="after")
    def _soon_can_be_found(self) -> Deadlines:
        _checked_phrases({name: tuple(words) for name, words in self.soon.items()})
        return self


class Times(_Part):
    """How times are written."""

    units: Mapping[Literal["minute", "hour", "day", "week", "month"], tuple[str, ...]] = {}
    numbers: Mapping[str, float] = {}


class TopicWords(_Part):
    """One topic of the brand: words that name it, and messages that are about it."""

    words: Phrases = {}
    examples: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _can_be_found(self) -> TopicWords:
        if not any(self.words.values()) and not self.examples:
            raise ValueError("has neither words nor examples: nothing could be counted under it")
        return self


class Emerging(_Part):
    """When messages that no topic of the brand covers are called emerging."""

    alike: float = Field(default=0.5, gt=0, lt=1)
    """How near two messages must be, as a cosine."""
    near_example: float = Field(default=0.45, gt=0, lt=1)
    """How near a message must be to an example of a topic."""
    at_least: int = Field(default=4, ge=2)
    """How many such messages there must have been before."""
    among: int = Field(default=512, ge=16, le=8192)
    """Among how many recent ones they are looked for."""


def _checked_patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    return patterns


class Rulebook(_Part):
    """The whole file."""

    version: Literal[1]
    workflows: Mapping[str, Workflow] = {}
    tiers: Tiers = Tiers()
    thread: Thread = Thread()
    waiting: Waiting = Waiting()
    money: Money = Money()
    deadlines: Deadlines = Deadlines()
    times: Times = Times()
    topics: Mapping[str, TopicWords] = {}
    """The brand's own list; without it the topics are those of the word lists."""
    emerging: Emerging = Emerging()
    unheard: Annotated[tuple[str, ...], AfterValidator(_checked_patterns)] = ()
    unheard_words: tuple[str, ...] = ()


def load_rulebook(path: Path | None = None) -> Rulebook:
    """Return the shipped rules, with a brand's file laid over them.

    Raises ConfigurationError that says what is wrong, in which line and under which key.
    """
    shipped = (resources.files("careline.triage") / SHIPPED).read_text(encoding="utf-8")
    raw = _read(shipped, SHIPPED)
    if path is None:
        return Rulebook.model_validate(raw)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({type(error).__name__})",
            hint="name a readable file in CARELINE_TRIAGE__RULES, or none for the shipped rules",
        ) from error
    try:
        return Rulebook.model_validate(_laid_over(raw, _read(text, str(path))))
    except ValidationError as error:
        raise ConfigurationError("; ".join(_problems(error, text, str(path))), hint=HINT) from None


def _read(text: str, name: str) -> dict[str, Any]:
    try:
        twice = next(_twice(yaml.compose(text, Loader=LOADER)), None)
        raw = yaml.load(text, Loader=LOADER)  # noqa: S506 - a safe loader, in C if there is one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}:" if mark is not None else ""
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise ConfigurationError(f"{name}:{where} {problem}", hint=HINT) from None
    if twice is not None:
        raise ConfigurationError(f"{name}: {twice} stands there twice", hint=HINT)
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{name}: holds no mapping of rules", hint=HINT)
    return raw


def _twice(node: yaml.Node | None) -> Iterator[str]:
    """Yield the keys that YAML would drop in silence, with their lines."""
    if isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            if key.value in seen:
                yield f"line {key.start_mark.line + 1}: {key.value!r}"
            seen.add(key.value)
            yield from _twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _twice(each)


def _laid_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge by name; a list or a value replaces, `null` takes out."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = _laid_over(below, value)
        else:
            merged[key] = value
    return merged


def _problems(error: ValidationError, text: str, name: str) -> Iterator[str]:
    """Yield what is wrong, with the line of the deepest key that the file itself has."""
    root = yaml.compose(text, Loader=LOADER)
    for found in error.errors(include_input=False, include_url=False):
        place = [str(part) for part in found["loc"]]
        line = _line(root, place)
        where = f" line {line}:" if line else ""
        said = found["msg"].removeprefix("Value error, ")
        yield f"{name}:{where} {'.'.join(place)}: {said}"


def _line(node: yaml.Node | None, place: list[str]) -> int:
    line = 0
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        else:
            return line
    return line
