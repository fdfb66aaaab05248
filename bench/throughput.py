"""The two hops of a mention, from heard to case: careline's worker, Faust doing nothing, Quix.

Promises: every subject works on the same records, on new topics of the same running broker, with an
empty ledger; the rounds alternate, and each begins with another subject, so that no one always has
the warm machine. The subjects that do the job must leave the same number of case events.
"""

from __future__ import annotations

import mmap
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.corpus import Corpus
from bench.judge import decision
from bench.measure import Speed, Subject, Work, speed_of
from bench.peers import PARTITIONS, Progress, fresh_topics, ledger, lengths
from schemas.envelope import Packed
from schemas.identity import shard_of
from schemas.mentions import MentionReceived
from schemas.packing import pack_heard, pack_triaged
from schemas.topics import CASES_EVENTS, MENTIONS_RECEIVED, MENTIONS_TRIAGED

CARELINE = "careline"
NOOP = "faust_doing_nothing"
QUIX = "quix_streams"
WARM = 1_000
_SEED = 1


def received(mention: MentionReceived) -> tuple[int, Packed]:
    """Return a mention as a connector publishes it, with its partition."""
    key = mention.conversation.key
    source = f"/careline/connectors/{mention.conversation.network}/{mention.account}"
    packed = pack_heard(mention, source=source, extensions={"cursor": mention.native_id})
    return shard_of(key, PARTITIONS), packed


def work_of(corpus: Corpus, events: int) -> tuple[Work, Work]:
    """Return the work of those who do the job, and that of the one who only counts both hops."""
    mentions = list(corpus.mentions(WARM + events, seed=_SEED))
    heard = [received(each) for each in mentions]
    triages = decision().triage_batch([each.text for each in mentions])
    triaged = [
        (
            partition,
            pack_triaged(
                mention,
                packed.value,
                triage.model_dump_json().encode(),
                source="/careline/triage",
                extensions={"sourceoffset": "0"},
            ),
        )
        for mention, triage, (partition, packed) in zip(mentions, triages, heard, strict=True)
    ]
    job = Work(
        warm={MENTIONS_RECEIVED.name: heard[:WARM]},
        measured={MENTIONS_RECEIVED.name: heard[WARM:]},
        warm_events=WARM,
        events=events,
    )
    both = Work(
        warm={MENTIONS_RECEIVED.name: heard[:WARM], MENTIONS_TRIAGED.name: triaged[:WARM]},
        measured={MENTIONS_RECEIVED.name: heard[WARM:], MENTIONS_TRIAGED.name: triaged[WARM:]},
        warm_events=WARM,
        events=events,
    )
    return job, both


async def job_speed(
    argv: list[str], work: Work, *, bootstrap: str, log: Path, python: str = sys.executable
) -> tuple[Speed, int]:
    """Measure a subject that does the job; return its speed and the case events it left."""
    await fresh_topics(bootstrap)
    async with ledger() as url:
        progress = Progress(url)
        try:
            with Subject([*argv, bootstrap, url], python=python, log=log) as subject:
                speed = speed_of(subject, work, bootstrap=bootstrap, done=progress.committed)
        finally:
            progress.close()
        return speed, lengths(bootstrap, CASES_EVENTS.name)


async def noop_speed(argv: list[str], work: Work, *, bootstrap: str, log: Path) -> Speed:
    """Measure Faust doing nothing over both hops."""
    await fresh_topics(bootstrap)
    with (
        _counts() as (file, done),
        Subject([*argv, bootstrap, file], log=log) as subject,
    ):
        return speed_of(subject, work, bootstrap=bootstrap, done=done)


@contextmanager
def _counts() -> Iterator[tuple[str, Callable[[], int]]]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(16))
        file.flush()
        with mmap.mmap(file.fileno(), 16) as shared:
            yield file.name, lambda: min(struct.unpack("qq", shared[:16]))
