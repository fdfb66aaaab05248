"""What Kafka's errors mean to a caller: each of aiokafka's becomes one of ours, by what to do.

Promise: no error of aiokafka leaves `careline.runtime` untranslated, save those of a commit that
came after a rebalance, which `GroupReader` answers itself.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from aiokafka.errors import (
    CommitFailedError,
    CorruptRecordException,
    IllegalStateError,
    KafkaError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    RecordListTooLargeError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
)

from careline.runtime.errors import ConfigurationError, PermanentError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Iterator

DAMAGED: Final = (CorruptRecordException, RecordTooLargeError)
"""What reading raises where the bytes are no records: a wrong sum, or a length that cannot be."""
TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)


class Unavailable(RetryableError):
    """Kafka did not answer in time or not clearly: what was asked may or may not have happened."""


class Damaged(Unavailable):
    """The broker serves bytes that are no records: another replica may, or a person skips them."""

    def __init__(self, topic: str, partition: int) -> None:
        """Say where, and what a person can do."""
        super().__init__(
            f"{topic}[{partition}]: a batch is damaged on the broker",
            hint="let another replica serve it; if there is none: careline topics skip",
        )


class RecordsGone(PermanentError):
    """An offset that was asked for is not in the log: retention took it, or it never was there."""


@contextlib.contextmanager
def translated(topic: str, partition: int = -1) -> Iterator[None]:
    """Turn aiokafka's errors into ours, by what the caller should do."""
    where = topic if partition < 0 else f"{topic}[{partition}]"
    try:
        yield
    except (CommitFailedError, IllegalStateError):
        raise
    except DAMAGED as error:
        raise Damaged(topic, partition) from error
    except OffsetOutOfRangeError as error:
        raise RecordsGone(f"{where}: the offset asked for is not in the log") from error
    except TOO_LARGE as error:
        raise PermanentError(f"{where}: a record is larger than the topic takes") from error
    except TopicAuthorizationFailedError as error:
        raise Unavailable(f"{where}: not allowed", hint="look at the broker's ACLs") from error
    except AssertionError as error:  # aiokafka asserts that the partition exists
        raise ConfigurationError(f"{where}: there is no such partition") from error
    except (KafkaError, OSError) as error:
        raise Unavailable(f"{where}: {type(error).__name__}") from error
