"""The benchmark of growth, on small sizes."""

import json

import numpy as np
import pytest

from misc import benchmark
from misc.speed import scaling


def test_the_exponent_is_that_of_the_growth():
    sizes = [3, 6, 12, 24]
    assert scaling.exponent(sizes, [5 * n**1.5 for n in sizes]) == pytest.approx(1.5)
    assert scaling.exponent(sizes, [7] * 4) == pytest.approx(0, abs=1e-9)


def test_each_point_is_measured_and_written(call, tmp_path, monkeypatch):
    asked = []

    def call_in_process(function, name, sizes):
        assert function is scaling.measure
        asked.append((name, sizes))
        return {"seconds": np.prod(list(sizes.values())).item() ** 2.0, "bytes": 5 << 20}

    monkeypatch.setattr(scaling, "call_in_process", call_in_process)
    path = tmp_path / "scaling.json"
    code, out, _ = call(benchmark, "--scaling", "--json", path)
    figures = json.loads(path.read_text())["figures"]
    assert code == 0 and out.count("exponent     2.00           0.00") == len(figures) == len(scaling.AXES)
    assert ("evaluation", {"videos": 200, "captions": 40}) in asked
    assert ("training step", {"batch": 64, "experts": 16}) in asked
    assert [axis["exponents"]["seconds"] for axis in figures] == pytest.approx([2.0] * len(figures))
