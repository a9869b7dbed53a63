"""The benchmark of growth, on small sizes."""

import pytest

from misc.speed import scaling
from misc.speed.process import call_in_process


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("training step", {"batch": 8, "experts": 2}),
        ("evaluation", {"videos": 40, "captions": 2}),
        ("ranking", {"videos": 10, "captions": 3}),
    ],
)
def test_a_point_is_measured_in_a_process_of_its_own(name, sizes):
    measured = call_in_process(scaling.measure, name, sizes)
    assert measured["seconds"] > 0 and 50 << 20 < measured["bytes"] < 4 << 30
