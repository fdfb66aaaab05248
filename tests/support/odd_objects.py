"""Objects for a helper's process; a test names their class or a function that makes them."""

from __future__ import annotations

import os
import signal
import sys
import time


class Odd:
    """Does what a test asks for, some of it badly."""

    def add(self, one: int, other: int) -> int:
        return one + other

    def fail(self, words: str) -> None:
        raise ValueError(words)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def echo(self, text: str) -> str:
        return text

    def chatter(self) -> str:
        """Print where the answers go, as a library may."""
        sys.stdout.write("no answer\n" * 1000)
        sys.stdout.flush()
        os.write(1, b"nor this\n")
        return "the answer"

    def pid(self) -> int:
        return os.getpid()


def cannot_be_made() -> Odd:
    raise FileNotFoundError("its model is not there")
