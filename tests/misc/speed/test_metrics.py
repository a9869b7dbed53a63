"""The benchmark of the metrics, on a matrix of thirty videos."""

import re

import numpy as np
import pytest

from misc.speed import metrics
from utils.errors import InputError


def test_both_sides_are_measured_in_turns(capsys):
    found = metrics.run(num_videos=30, repetitions=3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ranks of 600 captions (") and "30 videos" in lines[0]
    sides = ["plain loops", "ours", "ours, from a file", "copy of the matrix"]
    assert [re.sub(r" +[\d.]+( ms)?$", "", line).strip() for line in lines[2:]] == [*sides, "plain loops / ours"]
    assert (found["captions"], found["videos"], found["bytes"]) == (600, 30, 72_000)
    assert list(found["seconds"]) == sides and {len(values) for values in found["seconds"].values()} == {3}


def test_the_matrix_has_ties_and_lacks_captions():
    sims, masks = metrics.random_similarities(30, 20)
    assert not masks.all() and masks.any(axis=1).all()
    for ranks in (metrics.plain_t2v(sims, masks), metrics.plain_v2t(sims, masks)):
        assert (ranks % 1 != 0).any() and (ranks % 1 == 0).any()


def test_other_ranks_are_an_error(monkeypatch):
    monkeypatch.setattr(metrics, "v2t_ranks", lambda sims, masks: np.zeros(30))
    with pytest.raises(InputError, match="ours: other ranks than those of the plain loops"):
        metrics.measure(*metrics.random_similarities(30, 20), 1)
