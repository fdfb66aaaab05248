"""Virtual time: processes are coroutines, every call to another machine is a point where they wait.

Promises: one seed gives one story, bit for bit; nothing here reads a clock, a socket or a loop. A
process that dies loses what it held, but a call that it had sent still arrives. A frozen host's
processes go on later from exactly where they were.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator
from datetime import UTC, datetime, timedelta
from functools import cache
from heapq import heappop, heappush
from typing import Any, Generic, TypeVar

T = TypeVar("T")
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SECOND = 1_000_000
MINUTE = 60 * SECOND
GRID = 5 * SECOND
"""The resolution of every clock: what happens within it happens at one instant. So the same life is
lived in the same instants under many schedules, and what follows from the same is known."""
BEAT = 30 * SECOND
"""Most people write and click at such instants, so that what they say comes in batches."""
_START_MICROS = int(START.timestamp()) * SECOND


class World:
    """The heap of what comes next, and the dice."""

    def __init__(self, seed: str, *, telling: bool = False) -> None:
        """Begin at the world's start; ``telling`` keeps the story in words."""
        self.now = 0
        self.seed = seed
        self.telling = telling
        self.story: list[tuple[int, str]] = []
        self.errors: list[str] = []
        self._heap: list[tuple[int, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0

    def dice(self, name: str) -> random.Random:
        """Return dice of one's own, so that one part's throws do not change another's."""
        return random.Random(f"{self.seed}/{name}")

    def at(self, when: int, call: Callable[..., object], *args: Any) -> None:
        """Call something at a time."""
        self.after(when - self.now, call, *args)

    def after(self, delay: int, call: Callable[..., object], *args: Any) -> None:
        """Call something after so many µs."""
        count = self._count = self._count + 1
        heappush(self._heap, (self.now + delay if delay > 0 else self.now, count, call, args))

    def run(self, until: int) -> None:
        """Let time pass."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, call, args = heappop(heap)
            call(*args)
        self.now = until

    def micros(self) -> int:
        """Return µs since 1970, as a server's clock tells."""
        return _START_MICROS + self.now - self.now % GRID

    def stamp_ms(self) -> int:
        """Return ms since 1970, as a broker that is better at it tells."""
        return (_START_MICROS + self.now) // 1000

    def instant(self) -> datetime:
        """Return the present instant, as far as a clock tells."""
        return instant_of(self.now - self.now % GRID)

    def tell(self, text: str) -> None:
        """Add a line to the story, if anybody listens."""
        if self.telling:
            self.story.append((self.now, text))


@cache
def instant_of(micros: int) -> datetime:
    """Return the instant so many µs after the start."""
    return START + timedelta(microseconds=micros)


def on_grid(micros: int, grid: int = GRID) -> int:
    """Return the next time that clocks can tell."""
    return -(-micros // grid) * grid


class Waiting(Awaitable[T], Generic[T]):
    """Something to await: says how the process that waits is resumed."""

    __slots__ = ()

    @abstractmethod
    def begin(self, process: Process) -> None:
        """Take the process that waits."""

    def __await__(self) -> Generator[Any, Any, T]:
        """Give the process to the world until it is resumed."""
        answer: T = yield self
        return answer


class Host:
    """A machine's process: it dies, freezes and starts again as a whole."""

    def __init__(self, world: World, name: str, boot: Callable[[Host], None]) -> None:
        """``boot`` starts the host's processes."""
        self.world = world
        self.name = name
        self.up = False
        self.frozen_until = 0
        self.processes: list[Process] = []
        self._boot = boot

    def start(self) -> None:
        """Start, unless it runs."""
        if not self.up:
            self.up, self.frozen_until = True, 0
            self._boot(self)

    def crash(self, down: int) -> None:
        """Die at once, and start again later."""
        if not self.up:
            return
        self.world.tell(f"{self.name} dies, down for {down / SECOND:.0f} s")
        self.up = False
        for process in self.processes:
            process.kill()
        self.processes = []
        self.world.after(down, self.start)

    def freeze(self, span: int) -> None:
        """Stand still: nothing of it runs, nothing of it is lost."""
        self.world.tell(f"{self.name} freezes for {span / SECOND:.0f} s")
        self.frozen_until = max(self.frozen_until, self.world.now + span)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> Process:
        """Start a process."""
        if len(self.processes) > 64:
            self.processes = [found for found in self.processes if not found.dead]
        process = Process(self, name, work)
        self.processes.append(process)
        process.resume()
        return process


class Process:
    """One coroutine on a host."""

    __slots__ = ("_work", "dead", "host", "name", "turn")

    def __init__(self, host: Host, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Nothing runs before the first `resume`."""
        self.host = host
        self.name = name
        self.dead = False
        self.turn = 0
        self._work = work

    def kill(self) -> None:
        """End; nothing of it runs any more, not even its clean-up."""
        if not self.dead:
            self.dead = True
            self._work.close()

    def resume(self, value: object = None, error: BaseException | None = None) -> None:
        """Go on with an answer or an error."""
        if self.dead:
            return
        host = self.host
        if host.frozen_until > host.world.now:
            # Of two that would wake it meanwhile, the first one does.
            host.world.at(host.frozen_until, self.resume_if, self.turn, value, error)
            return
        self.turn += 1
        try:
            waiting = self._work.throw(error) if error is not None else self._work.send(value)
        except StopIteration:
            self.dead = True
            return
        except Exception as broken:  # noqa: BLE001 - the checker must hear of it
            self.dead = True
            host.world.errors.append(f"{self.name}: {type(broken).__name__}: {broken}")
            host.world.tell(f"{self.name} breaks: {type(broken).__name__}: {broken}")
            return
        waiting.begin(self)

    def resume_if(
        self, turn: int, value: object = None, error: BaseException | None = None
    ) -> None:
        """Go on, unless something else has woken it since that turn."""
        if self.turn == turn:
            self.resume(value, error)

    def later(self, delay: int, value: object = None, error: BaseException | None = None) -> None:
        """Go on after so many µs."""
        self.host.world.after(delay, self.resume, value, error)


class _Pause(Waiting[None]):
    """Waits for a span of time."""

    __slots__ = ("_micros",)

    def __init__(self, micros: int) -> None:
        self._micros = micros

    def begin(self, process: Process) -> None:
        process.host.world.after(self._micros, process.resume)


def sleep(seconds: float) -> Waiting[None]:
    """Wait so many seconds of virtual time."""
    return _Pause(int(seconds * SECOND))


def pause(micros: int) -> Waiting[None]:
    """Wait so many µs of virtual time, and not one less."""
    return _Pause(micros)


class Signal:
    """Wakes whoever waits for something."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._waiting: list[tuple[Process, int]] = []

    def wait(self, seconds: float) -> Waiting[None]:
        """Wait for the signal, at most so long."""
        return _Listening(self, int(seconds * SECOND))

    def listen(self, process: Process) -> None:
        """Wake a process when it is fired, unless something else does before."""
        self._waiting.append((process, process.turn))

    def fire(self, world: World) -> None:
        """Wake all of them."""
        waiting, self._waiting = self._waiting, []
        for process, turn in waiting:
            if not process.dead and process.turn == turn:
                world.after(0, process.resume_if, turn)


class _Listening(Waiting[None]):
    """Waits for a signal, or for a span of time."""

    __slots__ = ("_micros", "_signal")

    def __init__(self, signal: Signal, micros: int) -> None:
        self._signal = signal
        self._micros = micros

    def begin(self, process: Process) -> None:
        self._signal.listen(process)
        process.host.world.after(self._micros, process.resume_if, process.turn)


class SimClock:
    """The world's time as careline's `Clock`."""

    def __init__(self, world: World) -> None:
        """Tell this world's time."""
        self._world = world

    def now(self) -> datetime:
        """Return the instant."""
        return self._world.instant()

    def monotonic(self) -> float:
        """Return seconds since the start."""
        return self._world.now / SECOND

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await sleep(seconds)
