"""careline.yaml: the brand's own rules, checked before anything starts.

Promise: brands and their accounts, queues with their Slack channels, people and groups, and the
service levels are read once and wholly; a name that nothing defines, a missing operations channel
or an unreadable duration is one clear error that says where it stands. Secrets have no place here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from careline.domain.effects import is_second_path
from careline.domain.routing import queue_of
from careline.policy_file import ServiceLevels
from careline.runtime.errors import ConfigurationError
from careline.runtime.outbound import checked_url
from schemas.mentions import Visibility

_NETWORKS: Final = ("x",)
_USER_GROUP: Final = re.compile(r"^S[A-Z0-9]{6,}$")
_EVERYBODY_HAS: Final = ("holder", "channel")
"""Whom a step of the ladder may tell without a group of that name."""
_OTHER_PATHS: Final = ("webhook", "mail", "bot")
"""How the names of those begin whom a step tells elsewhere than in Slack."""


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


class Notify(_Part):
    """The ladder's second path: who is told outside of Slack, by the names that its steps use."""

    webhooks: Mapping[str, str] = Field(default_factory=dict)
    """Name → address; its signing secret is a setting. `webhook:NAME` at a step of the ladder."""
    mail: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Name → addresses; the server is a setting. `mail:NAME` at a step of the ladder."""
    case_link: str = ""
    """Where a person finds a case: an address with `{case}` in it."""

    def knows(self, notify: str) -> bool:
        """Whether a step's `webhook:NAME` or `mail:NAME` (or all: `webhook`, `mail`) is defined."""
        kind, _, name = (part.strip() for part in notify.partition(":"))
        names = {"webhook": self.webhooks, "mail": self.mail}.get(kind, {})
        return name in names if name else bool(names)


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
    notify: Notify = Notify()
    """The second path, for when Slack is down."""
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
        hanging = (*self._hanging(), *self._second_path())
        return [*found, *hanging, *self.service_levels.problems()]

    def _second_path(self) -> Iterator[str]:
        """Yield steps that tell nobody outside of Slack, and addresses that may not be called."""
        for step in self.service_levels.ladder:
            if is_second_path(step.notify) and not self.notify.knows(step.notify):
                yield f"service_levels.ladder: notify: does not define {step.notify!r}"
        for name, url in self.notify.webhooks.items():
            try:
                checked_url(url)
            except ValueError as error:
                yield f"notify.webhooks.{name}: {error}"

    def _hanging(self) -> Iterator[str]:
        """Yield what the service levels name outside of themselves and nothing defines."""
        levels = self.service_levels
        for step in levels.ladder:
            told = step.notify in _EVERYBODY_HAS or step.notify.startswith(_OTHER_PATHS)
            if self.groups and step.notify not in self.groups and not told:
                yield f"service_levels.ladder: no group is called {step.notify!r}"
        handles = {each.handle.lower() for brand in self.brands for each in brand.accounts}
        queues = {queue_of(handle, each) for handle in handles for each in Visibility}
        for rule in levels.rules:
            place = f"service_levels.rules.{rule.name}"
            for name in rule.account:
                if name.lower() not in handles:
                    yield f"{place}: no account is called {name!r}"
            for name in rule.queue:
                if name.lower() not in queues:
                    yield f"{place}: there is no queue {name!r}; there are: {_listed(queues)}"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def load_config(path: Path) -> CarelineConfig:
    """Read and check the file. Raises ConfigurationError that says what is wrong where."""
    return check_config(read_config(path), path)


def read_config(path: Path) -> Any:
    """Read the YAML, unchecked. Raises ConfigurationError if it is none."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
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


def check_config(raw: Any, path: Path) -> CarelineConfig:
    """Return the model of what a file holds; `path` is named in errors."""
    config, problems = examine(raw)
    if config is None:
        hint = "see careline.example.yaml for every key"
        raise ConfigurationError(f"{path}: {'; '.join(problems)}", hint=hint)
    return config


def examine(raw: Any) -> tuple[CarelineConfig | None, list[str]]:
    """Return the model of what a file holds, or what is wrong with it, each with its place."""
    try:
        config = CarelineConfig.model_validate(raw)
    except ValidationError as error:
        return None, [
            f"{'.'.join(map(str, found['loc'])) or 'file'}: "
            f"{found['msg'].removeprefix('Value error, ')}"
            for found in error.errors(include_input=False, include_url=False)
        ]
    problems = config.problems()
    return (None if problems else config), problems


def write_config(config: CarelineConfig, path: Path) -> None:
    """Write a configuration as a file that `load_config` reads."""
    path.write_text(
        yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        encoding="utf-8",
    )
