"""Times of implementations that take turns, by a clock that the test sets."""

import itertools

import pytest

from misc.speed import timing


@pytest.fixture
def clock(monkeypatch):
    """Return a clock, and a function that advances it."""
    now = [100.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def advance(seconds):
        now[0] += seconds

    return timing.Clock(timing.CPU), advance


def test_candidates_take_turns_and_warm_up_steps_are_left_out(clock):
    clock, advance = clock
    order, steps = [], itertools.count(1)

    def one():
        order.append("one")
        clock.last = clock.now()
        advance(2)
        clock.mark("first part")
        advance(number := next(steps))
        clock.mark("second part")
        assert number < 6

    def other():
        order.append("other")
        advance(10)

    seconds = timing.measure({"one": one, "other": other}, clock, repetitions=3)
    assert order == ["one", "other"] * (timing.WARM_UP + 3)
    assert seconds == {"one": [5, 6, 7], "other": [10, 10, 10]}
    assert clock.parts == {"first part": [2, 2, 2], "second part": [3, 4, 5]}


def test_the_speedup_is_the_median_of_the_ratios_of_each_turn(clock, capsys):
    """It differs from the ratio of the medians where a slow turn slows both down."""
    _, advance = clock
    plain, ours = iter([9, 9, 4, 100, 6]), iter([9, 9, 1, 10, 3])
    figures = timing.compare({"plain loops": lambda: advance(next(plain)), "ours": lambda: advance(next(ours))}, 3)
    assert figures["seconds"] == {"plain loops": [4, 100, 6], "ours": [1, 10, 3]}
    assert figures["median"] == {"plain loops": 6, "ours": 3} and figures[timing.SPEEDUP] == 4
    timing.print_comparison(figures)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["plain", "loops", "6000.00", "ms"],
        ["ours", "3000.00", "ms"],
        ["plain", "loops", "/", "ours", "4.00"],
    ]
