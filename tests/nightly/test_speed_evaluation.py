"""The benchmark of the evaluation, on an archive of a hundred videos."""

import json
import re

import pytest

from misc.speed import evaluation, store
from misc.speed.process import peak_memory
from utils.errors import InputError


def test_a_process_of_its_own_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(store, "CAPTIONS", 4)
    monkeypatch.setattr(evaluation, "CAPTIONS", 4)
    monkeypatch.setattr(store, "FRAMES", {name: (1, 3, *rest) for name, (_, _, *rest) in store.FRAMES.items()})
    store.write_archive(tmp_path / "MSRVTT-100" / "symlinked-feats", 100)
    found = evaluation.run(tmp_path, 100)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [re.split(r"  +", line.strip())[0] for line in lines] == ["1 captions per video", "4 captions per video"]
    assert [figures["captions_a_video"] for figures in found["figures"]] == [1, 4]
    for figures in found["figures"]:
        # The weights take 409 MiB. A process inherits the peak memory of the one that starts it, here that of earlier tests.
        assert 500 << 20 < figures["bytes"] < max(3 << 30, peak_memory() + 1)
        assert figures["seconds"] > figures["product_seconds"] > 0 and figures["seconds"] > 1
    few, many = (figures["operations"] for figures in found["figures"])
    assert few < many < 4 * few  # the videos have no more of them
    first, *_ = tmp_path.glob("saved/log/*/*/metrics.json")
    assert json.loads(first.read_text())["videos"] == 29


def test_a_process_that_fails_is_an_error(tmp_path, capfd):
    with pytest.raises(InputError, match="test.py: ended with exit code 2"):
        evaluation.measure(tmp_path / "absent.pth", [])
    assert "absent.pth: no such checkpoint" in capfd.readouterr().err
