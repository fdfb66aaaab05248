"""The only worker is away while many deadlines pass: all are told when it is back, in good order.

Row 21 of the fault matrix, for a worker's process; its passes alone are in test_outage.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count, cycle, islice
from typing import Any, Final

import pytest

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from schemas.identity import shard_of, shard_of_case
from schemas.triage import Priority
from tests.support.ledger import until
from tests.support.scale import scaled
from tests.support.workers import PARTITIONS, TOPIC_PARTITIONS, Rig, a_mention, a_rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CASES: Final = scaled(200, 1_000)
SHARDS: Final = scaled(1, PARTITIONS)
"""All in one shard in CI: so few would be a single pass of each."""
STEPS: Final = ["case.at_risk", "case.breached", "case.escalated"]
"""What a case has missed since the day before yesterday: its warning, its target, the ladder."""
A_PASS: Final = 100
"""Cases of a shard that are fired before records get their turn."""
TEXTS: Final = (
    "@acme my order {} never arrived, can you help?",
    "@acme my account {} was hacked, someone stole my money, help now",
)


@pytest.fixture
async def rig(valkey: EmbeddedValkey) -> AsyncIterator[Rig]:
    """A rig whose first worker takes mentions in and never looks at what is due."""
    async with (
        EmbeddedKafka(TOPIC_PARTITIONS) as kafka,
        a_rig(kafka.bootstrap, valkey.url, deadline_poll=3600.0) as found,
    ):
        yield found


async def fired(rig: Rig) -> list[Any]:
    """Return the steps in the log, shard by shard; what was sent twice is told once."""
    by_id = {event.event_id: event for event in await rig.events() if event.type in STEPS}
    return list(by_id.values())


async def urgencies(rig: Rig) -> dict[str, Priority]:
    """Return each case's priority."""
    return {
        event.case_id: event.priority
        for event in await rig.events()
        if event.type == "obligation.added"
    }


async def test_what_fell_due_while_the_worker_was_away_is_fired_paced_urgent_first_and_step_by_step(
    rig: Rig,
) -> None:
    worker = await rig.worker()
    await rig.ready()
    long_ago = datetime.now(UTC) - timedelta(days=2)
    numbers = (n for n in count() if shard_of(f"x:{n}", PARTITIONS) < SHARDS)
    await rig.hear(
        a_mention(n, text.format(n)).model_copy(update={"heard_at": long_ago})
        for n, text in zip(islice(numbers, CASES), cycle(TEXTS), strict=False)
    )
    await rig.added_all(CASES)
    assert await fired(rig) == []
    await rig.stop(worker)

    rig.options["deadline_poll"] = 0.5
    await rig.worker()
    await rig.ready(2)

    async def all_fired() -> bool:
        return len(await fired(rig)) >= CASES * len(STEPS)

    await until(all_fired, within=90, what="every step")
    steps: dict[str, list[str]] = defaultdict(list)
    passes: dict[tuple[int | None, datetime], Counter[str]] = defaultdict(Counter)
    warned: dict[int | None, list[str]] = defaultdict(list)
    for event in await fired(rig):
        shard = shard_of_case(event.case_id)
        steps[event.case_id].append(event.type)
        passes[shard, event.at][event.case_id] += 1
        if event.type == STEPS[0]:
            warned[shard].append(event.case_id)
    assert list(steps.values()) == [STEPS] * CASES, "each once, and in their order"
    assert {times for each in passes.values() for times in each.values()} == {1}, "a pass, a step"
    assert max(map(len, passes.values())) == A_PASS, "records get their turn between two"
    urgent = await urgencies(rig)
    for cases in warned.values():
        told = [urgent[case] for case in cases]
        assert len(set(told)) == 2
        assert told == sorted(told), "the most urgent are told first"
