"""Compares the broker's topics with the one table, creates what is missing, says what differs.

Promise: no topic of ours is ever made by accident. `plan` only reads; `apply` creates missing
topics and corrects settings, but refuses to change a number of partitions (the partition is the
shard: changing it would tear conversations apart); `require_topics` is what each role calls before
it starts.

librdkafka's embedded cluster knows neither DescribeConfigs nor CreateTopics: there the settings are
not compared, because there are none.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, TopicAlreadyExistsError, for_code

from careline.runtime.brokers import Where, client_options, no_answer_hint
from careline.runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

_MAX_REPLICATION = 3
_CONNECT_TIMEOUT_S = 20.0
_SETTLE_TIMEOUT_S = 20.0
_SETTLE_POLL_S = 0.1
_TOPIC_OVERRIDE = 1  # ConfigSource DYNAMIC_TOPIC_CONFIG: set on the topic itself, not a default


class TopicSpec(Protocol):
    """What this module needs to know of an entry of `schemas.topics.TOPICS`."""

    @property
    def name(self) -> str:
        """The topic's name."""

    def config(self) -> dict[str, str]:
        """The broker settings that the topic must have."""


class Aspect(StrEnum):
    """In what a topic differs from the table."""

    MISSING = "missing"
    """The broker has no such topic."""
    PARTITIONS = "partitions"
    """The number of partitions differs; nobody may change it."""
    SETTING = "setting"
    """A broker setting of the topic differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDifference:
    """One thing in which the broker differs from the table."""

    topic: str
    aspect: Aspect
    setting: str
    wanted: str
    found: str

    def __str__(self) -> str:
        """One line for a person."""
        if self.aspect is Aspect.MISSING:
            return f"{self.topic}: missing"
        return f"{self.topic}: {self.setting} is {self.found}, should be {self.wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsOnBroker:
    """How to reach the broker, and the table it is held against."""

    bootstrap: Where
    partitions: int
    topics: Sequence[TopicSpec]


async def plan(where: TopicsOnBroker) -> tuple[TopicDifference, ...]:
    """What `apply` would have to change; empty when the broker is as the table says."""
    async with _admin(where) as admin:
        return await _compare(admin, where)


async def apply(where: TopicsOnBroker) -> tuple[TopicDifference, ...]:
    """Create missing topics and correct settings; return what was changed.

    Running it again is harmless. A wrong number of partitions is refused before anything is
    touched.
    """
    async with _admin(where) as admin:
        differences = await _compare(admin, where)
        if wrong := [each for each in differences if each.aspect is Aspect.PARTITIONS]:
            raise ConfigurationError(
                "; ".join(map(str, wrong)),
                hint="partitions are chosen once: set CARELINE_KAFKA__PARTITIONS to what it has, "
                "or use another cluster",
            )
        await _create(
            admin, where, {each.topic for each in differences if each.aspect is Aspect.MISSING}
        )
        await _correct(admin, [each for each in differences if each.aspect is Aspect.SETTING])
        await _settled(admin, where)
    return differences


async def require_topics(where: TopicsOnBroker) -> None:
    """Return if every topic is as the table says; else a ConfigurationError names each."""
    differences = await plan(where)
    if differences:
        raise ConfigurationError(
            f"topics on {where.bootstrap} are not as they should be: "
            + "; ".join(map(str, differences)),
            hint='see "careline topics diff", then run "careline topics apply"',
        )


@asynccontextmanager
async def _admin(where: TopicsOnBroker) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(where.bootstrap))
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            await admin.start()
    except (KafkaError, OSError) as error:  # TimeoutError is an OSError
        await admin.close()
        raise ConfigurationError(
            f"no Kafka answers at {where.bootstrap} ({type(error).__name__})",
            hint=no_answer_hint(where.bootstrap),
        ) from error
    try:
        yield admin
    finally:
        await admin.close()


async def _compare(
    admin: AIOKafkaAdminClient, where: TopicsOnBroker
) -> tuple[TopicDifference, ...]:
    # None asks for all topics: naming one that is missing would make a permissive broker create it.
    found = {
        entry["topic"]: len(entry["partitions"]) for entry in await admin.describe_topics(None)
    }
    present = [spec for spec in where.topics if spec.name in found]
    settings = await _settings(admin, [spec.name for spec in present])
    differences: list[TopicDifference] = []
    for spec in where.topics:
        if spec.name not in found:
            differences.append(_difference(spec.name, Aspect.MISSING, "", "present", "missing"))
            continue
        if found[spec.name] != where.partitions:
            count = str(found[spec.name])
            differences.append(
                _difference(
                    spec.name, Aspect.PARTITIONS, "partitions", str(where.partitions), count
                )
            )
        effective = settings.get(spec.name)
        if effective is None:
            continue
        for setting, wanted in spec.config().items():
            actual = effective.get(setting, _Setting("unset", overridden=False)).value
            if actual != wanted:
                differences.append(_difference(spec.name, Aspect.SETTING, setting, wanted, actual))
    return tuple(differences)


def _difference(
    topic: str, aspect: Aspect, setting: str, wanted: str, found: str
) -> TopicDifference:
    return TopicDifference(topic=topic, aspect=aspect, setting=setting, wanted=wanted, found=found)


@dataclass(frozen=True, slots=True)
class _Setting:
    value: str
    overridden: bool


async def _settings(
    admin: AIOKafkaAdminClient, names: Iterable[str]
) -> dict[str, dict[str, _Setting]]:
    """The effective settings by topic; empty if the broker cannot tell them."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    try:
        answers = await admin.describe_configs(resources)
    except IncompatibleBrokerVersion:
        return {}
    settings: dict[str, dict[str, _Setting]] = {}
    for answer in answers:
        for resource in answer.to_object()["resources"]:
            if resource["error_code"]:
                raise _refused(
                    "read the settings of", resource["resource_name"], resource["error_code"]
                )
            settings[resource["resource_name"]] = {
                entry["config_names"]: _Setting(
                    str(entry["config_value"]),
                    overridden=entry.get("config_source") == _TOPIC_OVERRIDE,
                )
                for entry in resource["config_entries"]
            }
    return settings


async def _create(admin: AIOKafkaAdminClient, where: TopicsOnBroker, missing: set[str]) -> None:
    if not missing:
        return
    cluster = await admin.describe_cluster()
    # librdkafka's brokers name a controller that is none of them.
    if cluster["controller_id"] not in {broker["node_id"] for broker in cluster["brokers"]}:
        raise ConfigurationError(
            f"the broker at {where.bootstrap} has no controller and cannot create topics",
            hint="the embedded cluster gets its topics when it starts: careline up --embedded",
        )
    replication = min(_MAX_REPLICATION, len(cluster["brokers"]))
    wanted = [
        NewTopic(spec.name, where.partitions, replication, topic_configs=spec.config())
        for spec in where.topics
        if spec.name in missing
    ]
    answer = await admin.create_topics(wanted)
    for name, code, *_ in answer.topic_errors:
        # Another `apply` may have come first: the comparison that follows decides whether it made
        # what we want.
        if code not in (0, TopicAlreadyExistsError.errno):
            raise _refused("create", name, code)


async def _correct(admin: AIOKafkaAdminClient, wrong: Sequence[TopicDifference]) -> None:
    if not wrong:
        return
    by_topic = {name: list(group) for name, group in groupby(wrong, key=lambda each: each.topic)}
    current = await _settings(admin, by_topic)
    resources = [
        ConfigResource(
            ConfigResourceType.TOPIC,
            name,
            # AlterConfigs replaces all overrides of a topic: those that we do not manage are sent
            # along.
            {key: setting.value for key, setting in current[name].items() if setting.overridden}
            | {each.setting: each.wanted for each in group},
        )
        for name, group in by_topic.items()
    ]
    for answer in await admin.alter_configs(resources):
        for code, _message, _kind, name in answer.resources:
            if code:
                raise _refused("change the settings of", name, code)


async def _settled(admin: AIOKafkaAdminClient, where: TopicsOnBroker) -> None:
    """Wait until the broker shows what was applied: metadata follows with a delay."""
    rest: tuple[TopicDifference, ...] = ()
    try:
        async with asyncio.timeout(_SETTLE_TIMEOUT_S):
            while rest := await _compare(admin, where):
                await asyncio.sleep(_SETTLE_POLL_S)
    except TimeoutError as error:
        raise ConfigurationError(
            "the broker accepted the topics but does not show them: " + "; ".join(map(str, rest)),
            hint='look again with "careline topics diff"',
        ) from error


def _refused(what: str, topic: str, code: int) -> ConfigurationError:
    return ConfigurationError(
        f"Kafka refused to {what} {topic}: {for_code(code).__name__}",
        hint="does the Kafka user have the rights to describe, create and alter topics?",
    )
