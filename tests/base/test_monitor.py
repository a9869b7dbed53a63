"""Detection of the best value, and early stopping."""

import math

import pytest

from base.monitor import Monitor

NAN = math.nan


@pytest.mark.parametrize(
    ("spec", "values", "best"),
    [
        ("max x", [1, 3, 3, 2, 4], [True, True, False, False, True]),  # a tie is no improvement
        ("min x", [1, 3, 1, 0.5, -2], [True, False, False, True, True]),
        ("max x", [-5, -6, -4], [True, False, True]),
        ("min x", [math.inf, 7], [True, True]),
        ("off", [3, 2, NAN], [True, True, True]),
        ("max x", [2, NAN, 1, 3], [True, False, False, True]),
        ("min x", [NAN, 2, 3], [False, True, False]),  # NaN is never the best, or nothing would ever be better
    ],
)
def test_the_best_epochs(spec, values, best):
    monitor = Monitor(spec)
    assert [monitor.update({"x": value, "y": -value}) for value in values] == best
    if spec == "off":
        assert monitor.best is None
    else:
        number = [value for value in values if not math.isnan(value)]
        assert monitor.best == (max(number) if spec.startswith("max") else min(number))
    assert not monitor.stalled


def test_training_stops_after_epochs_without_improvement():
    monitor = Monitor("max x", early_stop=2)
    stalled = []
    for value in (1, 1, 2, 0, 2, 1):  # the count begins anew at 2
        monitor.update({"x": value})
        stalled.append(monitor.stalled)
    assert stalled == [False, False, False, False, True, True]
    assert monitor.epochs_since_best == 3
    with pytest.raises(KeyError):
        monitor.update({"y": 1})
