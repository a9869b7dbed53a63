"""The benchmark of batches, on an archive of a hundred videos."""

import re

import numpy as np
import pytest

from misc.speed import batches, store
from utils.errors import InputError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with an archive as the benchmark writes it, with fewer captions."""
    monkeypatch.setattr(store, "CAPTIONS", 3)
    store.write_archive(tmp_path / "MSRVTT-100" / "symlinked-feats", 100)
    return tmp_path


def test_both_kinds_of_batches_are_measured(folder, capsys):
    found = batches.run(folder, 100, repetitions=3)
    lines = capsys.readouterr().out.splitlines()
    sides = ["reading", "plain loops", "ours", "copy"]
    assert list(found) == ["training", "evaluation"]
    for kind, head, rows in (("training", lines[1], lines[2:7]), ("evaluation", lines[7], lines[8:])):
        measured = found[kind]
        assert re.match(kind + r": \d+ videos, \d+ captions of 1[45] words at most, [\d.]+ [KM]iB$", head)
        assert [re.sub(r" +[\d.]+( ms)?$", "", row).strip() for row in rows] == [*sides, "plain loops / ours"]
        assert list(measured["seconds"]) == sides and {len(values) for values in measured["seconds"].values()} == {3}
    assert [(x["videos"], x["captions"]) for x in found.values()] == [(64, 64), (4, 12)]  # four to evaluate are there
    assert found["training"]["bytes"] > 64 * (15 * 768 + 2048 + 2208 + 1024 + 512) * 4


@pytest.mark.parametrize("change", [lambda x: x[0, 0].fill_(3), lambda x: x.fill_(np.nan), lambda x: x.double()])
def test_another_batch_is_an_error(folder, monkeypatch, change):
    plain = batches.plain_collate

    def changed(*arguments):
        batch = plain(*arguments)
        return batch | {"text": change(batch["text"])}

    monkeypatch.setattr(batches, "plain_collate", changed)
    with pytest.raises(InputError, match="another batch than that of the plain loops"):
        batches.run(folder, 100, repetitions=1)
