"""A budget is kept over any minute, failures make a pause, memory is bounded."""

from __future__ import annotations

from careline.triage.backends.pacing import Breaker, Budget, Memory


def test_a_budget_is_over_any_minute_and_not_per_clock_minute() -> None:
    budget = Budget(2)
    assert [budget.take(at) for at in (0.0, 50.0, 59.9, 60.0, 61.0)] == [
        True, True, False, True, False,
    ]  # fmt: skip
    assert budget.take(110.0)


def test_no_budget_is_none() -> None:
    assert not Budget(0).take(0.0)


def test_three_failures_in_a_row_make_a_pause_that_grows() -> None:
    breaker = Breaker()
    breaker.failed(0.0)
    breaker.failed(0.0)
    assert breaker.allows(0.0)
    breaker.failed(0.0)
    assert not breaker.allows(14.9)
    assert breaker.allows(15.0)
    breaker.failed(15.0)
    assert not breaker.allows(44.9)
    assert breaker.allows(45.0)
    for _ in range(30):
        breaker.failed(100.0)
    assert breaker.allows(701.0), "no pause is longer than ten minutes"


def test_a_success_ends_the_counting() -> None:
    breaker = Breaker()
    for _ in range(2):
        breaker.failed(0.0)
    breaker.succeeded()
    breaker.failed(0.0)
    assert breaker.allows(0.0)


def test_a_wish_to_be_left_alone_counts_at_once() -> None:
    breaker = Breaker()
    breaker.failed(0.0, retry_after=20.0)
    assert not breaker.allows(19.0)
    assert breaker.allows(20.0)
    breaker.failed(100.0, retry_after=1e9)
    assert breaker.allows(701.0)


def test_the_memory_forgets_what_was_not_used_longest() -> None:
    memory: Memory[int] = Memory(2)
    memory.put("a", 1)
    memory.put("b", 2)
    assert memory.get("a") == 1
    memory.put("c", 3)
    assert (memory.get("a"), memory.get("b"), memory.get("c")) == (1, None, 3)
    assert len(memory) == 2
