"""Topics come from the table only: missing ones are made, wrong partition counts refused."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.errors import ConfigurationError
from careline.runtime.tether import free_port
from careline.runtime.topics_admin import Aspect, TopicsOnBroker, apply, plan, require_topics
from schemas.topics import TOPICS
from tests.support.kafka.server import KafkaServer

DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Spec:
    name: str
    settings: dict[str, str] = field(
        default_factory=lambda: {"cleanup.policy": "delete", "retention.ms": str(DAY_MS)}
    )

    def config(self) -> dict[str, str]:
        return dict(self.settings)


def table(bootstrap: str, partitions: int = 3) -> TopicsOnBroker:
    """Two topics that no other test knows: the broker is shared."""
    run = uuid.uuid4().hex
    return TopicsOnBroker(
        bootstrap=bootstrap,
        partitions=partitions,
        topics=(Spec(f"heard.{run}"), Spec(f"events.{run}")),
    )


@pytest.mark.kafka
async def test_apply_creates_what_is_missing_and_then_nothing_differs(
    kafka_server: KafkaServer,
) -> None:
    where = table(kafka_server.bootstrap)
    assert [each.aspect for each in await plan(where)] == [Aspect.MISSING, Aspect.MISSING]

    assert len(await apply(where)) == 2

    assert await plan(where) == ()
    assert await apply(where) == ()
    await require_topics(where)


@pytest.mark.kafka
async def test_the_products_own_table_is_accepted_by_a_real_broker(
    kafka_server: KafkaServer,
) -> None:
    where = TopicsOnBroker(bootstrap=kafka_server.bootstrap, partitions=4, topics=tuple(TOPICS))
    await apply(where)
    assert await plan(where) == ()


@pytest.mark.kafka
async def test_a_wrong_number_of_partitions_is_refused_and_nothing_is_touched(
    kafka_server: KafkaServer,
) -> None:
    where = table(kafka_server.bootstrap)
    first, second = where.topics
    await apply(TopicsOnBroker(bootstrap=where.bootstrap, partitions=5, topics=[first]))

    with pytest.raises(ConfigurationError, match=f"{first.name}: partitions is 5, should be 3"):
        await apply(where)

    assert [(each.topic, each.aspect) for each in await plan(where)] == [
        (first.name, Aspect.PARTITIONS),
        (second.name, Aspect.MISSING),
    ]


@pytest.mark.kafka
async def test_a_setting_that_drifted_is_corrected_and_foreign_ones_stay(
    kafka_server: KafkaServer,
) -> None:
    where = table(kafka_server.bootstrap)
    name = where.topics[0].name
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_server.bootstrap)
    await admin.start()
    try:
        drifted = {
            "cleanup.policy": "compact",
            "retention.ms": "1000",
            "max.message.bytes": "2000000",
        }
        await admin.create_topics([NewTopic(name, 3, 1, topic_configs=drifted)])
        # The new topic shows up in the metadata a moment later: apply waits for that, so make the
        # other one first.
        await apply(
            TopicsOnBroker(bootstrap=where.bootstrap, partitions=3, topics=[where.topics[1]])
        )

        with pytest.raises(
            ConfigurationError,
            match=r"cleanup.policy is compact, should be delete.*retention.ms is 1000",
        ):
            await require_topics(where)
        changed = await apply(where)

        assert {each.setting for each in changed} == {"cleanup.policy", "retention.ms"}
        assert await plan(where) == ()
        answer = (await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)]))[
            0
        ].to_object()
        entries = {
            entry["config_names"]: entry["config_value"]
            for entry in answer["resources"][0]["config_entries"]
        }
        assert entries["max.message.bytes"] == "2000000"
    finally:
        await admin.close()


async def test_on_the_embedded_cluster_settings_are_not_compared(
    embedded_kafka: EmbeddedKafka,
) -> None:
    where = table(embedded_kafka.bootstrap)
    for spec in where.topics:
        await embedded_kafka.create_topic(spec.name, 3)
    assert await plan(where) == ()
    await require_topics(where)


async def test_a_role_is_told_which_topic_is_missing_and_what_to_do(
    embedded_kafka: EmbeddedKafka,
) -> None:
    where = table(embedded_kafka.bootstrap)
    present, missing = where.topics
    await embedded_kafka.create_topic(present.name, 4)

    with pytest.raises(ConfigurationError) as refusal:
        await require_topics(where)

    assert f"{missing.name}: missing" in refusal.value.message
    assert f"{present.name}: partitions is 4, should be 3" in refusal.value.message
    assert "careline topics apply" in refusal.value.hint
    # Asking must not have made it.
    assert [each.topic for each in await plan(where) if each.aspect is Aspect.MISSING] == [
        missing.name
    ]


async def test_a_broker_that_cannot_create_topics_says_so(embedded_kafka: EmbeddedKafka) -> None:
    with pytest.raises(ConfigurationError, match="cannot create topics"):
        await apply(table(embedded_kafka.bootstrap))


async def test_no_broker_is_one_clear_error() -> None:
    with pytest.raises(ConfigurationError, match=r"no Kafka answers at 127\.0\.0\.1") as refusal:
        await plan(table(f"127.0.0.1:{free_port()}"))
    assert "CARELINE_KAFKA__BOOTSTRAP_SERVERS" in refusal.value.hint
