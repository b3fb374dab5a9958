"""When a breaker opens, who probes it, and when it closes."""

from __future__ import annotations

from coccinelle.providers.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(failures=3, cooling_seconds=30, clock=clock)
    for _ in range(3):
        assert breaker.allow()
        breaker.fail()
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = opened(Clock())

    assert breaker.state == "open"
    assert not breaker.allow()


def test_a_success_between_failures_starts_the_count_again() -> None:
    breaker = Breaker(failures=3, clock=Clock())
    for failed in (True, True, False, True, True):
        assert breaker.allow()
        breaker.fail() if failed else breaker.succeed()

    assert breaker.state == "closed"


def test_after_cooling_one_caller_alone_probes() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.seconds = 30

    assert breaker.state == "half_open"
    assert [breaker.allow() for _ in range(3)] == [True, False, False]


def test_a_probe_that_succeeds_closes_it() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.seconds = 30
    breaker.allow()
    breaker.succeed()

    assert [breaker.allow(), breaker.allow()] == [True, True]


def test_a_probe_that_fails_opens_it_for_as_long_again() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.seconds = 30
    breaker.allow()
    breaker.fail()
    clock.seconds = 59

    assert not breaker.allow()
    clock.seconds = 60
    assert breaker.allow()


def test_a_probe_that_is_given_up_leaves_its_place_to_another() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.seconds = 30
    breaker.allow()
    breaker.release()

    assert breaker.allow()


def test_a_probe_that_is_never_heard_of_again_does_not_keep_it_open() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.seconds = 30
    breaker.allow()
    clock.seconds = 60

    assert breaker.allow()
