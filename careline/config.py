"""careline.yaml: the brand's own rules, checked before anything starts.

Promise: brands and their accounts, queues with their Slack channels, people and groups, and the
service levels are read once and wholly; a name that nothing defines, a missing operations channel
or an unreadable duration is one clear error that says where it stands. Secrets have no place here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from careline.domain.policy import DEFAULT_LADDER, FIRST_RESPONSE, LadderStep, Policy
from careline.runtime.errors import ConfigurationError
from schemas.triage import Priority

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$")
_NETWORKS: Final = ("x",)
_USER_GROUP: Final = re.compile(r"^S[A-Z0-9]{6,}$")


def read_duration(value: object) -> object:
    """Read `90s`, `15m`, `1.5h` or `2d`; anything else is left to be refused."""
    if not isinstance(value, str):
        return value
    found = _DURATION.match(value)
    if found is None:
        message = f"{value!r} is no duration: write 90s, 15m, 4h or 2d"
        raise ValueError(message)
    return timedelta(seconds=float(found.group(1)) * _UNITS[found.group(2)])


def write_duration(value: timedelta) -> str:
    """Write a duration in the largest unit that fits."""
    seconds = value.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


Duration = Annotated[
    timedelta, BeforeValidator(read_duration), PlainSerializer(write_duration, return_type=str)
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Account(_Part):
    """One account of a brand on a network."""

    network: str = "x"
    handle: str
    """Its name on the network, and its name in careline."""
    id: str = ""
    """The network's own id, if known; else it is looked up."""


class Brand(_Part):
    """A brand and the accounts that speak for it."""

    name: str
    accounts: tuple[Account, ...]


class Channels(_Part):
    """Where the cards of a queue are posted; direct messages have a channel of their own."""

    mentions: str
    direct_messages: str


class Person(_Part):
    """Somebody who works here; never a customer."""

    slack: str
    """The Slack user id, such as U012AB3CD."""
    roles: tuple[str, ...] = ()
    """`lead` may say whether a reply of unknown outcome was sent."""


class Step(_Part):
    """One step of the escalation ladder."""

    name: str
    notify: str
    after: Duration


class ServiceLevels(_Part):
    """How soon a first response is due, and who is told when it is not."""

    targets: Mapping[Priority, Duration] = Field(default_factory=lambda: dict(FIRST_RESPONSE))
    at_risk_share: float = Field(default=0.75, gt=0, lt=1)
    ladder: tuple[Step, ...] = tuple(
        Step(name=step.name, notify=step.notify, after=step.after) for step in DEFAULT_LADDER
    )
    repeat_every: Duration = timedelta(hours=1)
    lease: Duration = timedelta(minutes=30)
    reply_valid_for: Duration = timedelta(hours=1)
    follow_up: Duration = timedelta(hours=72)
    reopen_window: Duration = timedelta(hours=72)
    operations_review: Duration = timedelta(hours=1)
    snooze_at_most: Duration = timedelta(hours=24)

    def policy(self, partitions: int) -> Policy:
        """Return the policy that the domain decides by."""
        return Policy(
            first_response={**FIRST_RESPONSE, **self.targets},
            at_risk_share=self.at_risk_share,
            ladder=tuple(
                LadderStep(name=step.name, notify=step.notify, after=step.after)
                for step in self.ladder
            ),
            repeat_every=self.repeat_every,
            lease=self.lease,
            reply_valid_for=self.reply_valid_for,
            follow_up=self.follow_up,
            reopen_window=self.reopen_window,
            operations_review=self.operations_review,
            snooze_at_most=self.snooze_at_most,
            partitions=partitions,
        )


class CarelineConfig(_Part):
    """The whole file."""

    brands: tuple[Brand, ...]
    channels: Channels
    """Where cards go."""
    brand_channels: Mapping[str, Channels] = Field(default_factory=dict)
    """Brands whose cards go elsewhere, by name."""
    ops_channel: str
    """Where unreadable records and other troubles of careline itself become cases; required."""
    people: Mapping[str, Person] = Field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Who is told at a step of the ladder: names of people, or ids of Slack user groups (S…)."""
    service_levels: ServiceLevels = ServiceLevels()

    def accounts(self, network: str) -> tuple[Account, ...]:
        """Return all accounts on a network."""
        return tuple(
            account
            for brand in self.brands
            for account in brand.accounts
            if account.network == network
        )

    def channels_of(self, account: str) -> Channels:
        """Return the channels of the brand that an account speaks for."""
        for brand in self.brands:
            if any(found.handle.lower() == account.lower() for found in brand.accounts):
                return self.brand_channels.get(brand.name, self.channels)
        return self.channels

    def slack_ids(self, group: str) -> tuple[str, ...]:
        """Return the Slack ids of those who are told when a group is."""
        return tuple(
            self.people[name].slack if name in self.people else name
            for name in self.groups.get(group, ())
        )

    def problems(self) -> list[str]:
        """Return what hangs in the air: names that nothing defines, and things named twice."""
        found: list[str] = []
        seen: set[tuple[str, str]] = set()
        for account in (each for brand in self.brands for each in brand.accounts):
            if account.network not in _NETWORKS:
                found.append(
                    f"network {account.network!r} of {account.handle} is not one of: "
                    f"{', '.join(_NETWORKS)}"
                )
            key = (account.network, account.handle.lower())
            if key in seen:
                found.append(f"account {account.handle} stands there twice")
            seen.add(key)
        names = {brand.name for brand in self.brands}
        found += [
            f"brand_channels: no brand is called {name!r}"
            for name in self.brand_channels
            if name not in names
        ]
        found += [
            f"groups.{group}: nobody is called {name!r}"
            for group, members in self.groups.items()
            for name in members
            if name not in self.people and not _USER_GROUP.match(name)
        ]
        found += [
            f"service_levels.ladder: no group is called {step.notify!r}"
            for step in self.service_levels.ladder
            if self.groups and step.notify not in self.groups
        ]
        return found


def load_config(path: Path) -> CarelineConfig:
    """Read and check the file. Raises ConfigurationError that says what is wrong where."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: no such file",
            hint="copy careline.example.yaml to careline.yaml, or name yours in CARELINE_CONFIG; "
            "without one: careline up --embedded --sandbox",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({type(error).__name__})", hint="may this user read it?"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise ConfigurationError(f"{path}: {problem}{where}", hint="correct the file") from None
    return check_config(raw, path)


def check_config(raw: Any, path: Path) -> CarelineConfig:
    """Return the model of what a file holds; `path` is named in errors."""
    hint = "see careline.example.yaml for every key"
    try:
        config = CarelineConfig.model_validate(raw)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, found['loc'])) or 'file'}: "
            f"{found['msg'].removeprefix('Value error, ')}"
            for found in error.errors(include_input=False, include_url=False)
        ]
    else:
        problems = config.problems()
    if problems:
        raise ConfigurationError(f"{path}: {'; '.join(problems)}", hint=hint)
    return config


def write_config(config: CarelineConfig, path: Path) -> None:
    """Write a configuration as a file that `load_config` reads."""
    path.write_text(
        yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        encoding="utf-8",
    )
