"""The benchmark of the store, on an archive of a hundred videos."""

import re

import pytest
from conftest import ROOT

from data_loader.archive import Archive
from misc.speed import store


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """An archive as the benchmark writes it, with fewer captions."""
    monkeypatch.setattr(store, "CAPTIONS", 2)
    store.write_archive(tmp_path / "MSRVTT" / "symlinked-feats", 100)
    return tmp_path / "MSRVTT"


def test_the_archive_is_split_as_the_full_one(data_dir):
    archive = Archive(data_dir, "MSRVTT", "full-test")
    train, test = (archive.video_ids(f"full-{part}", "openai", 768) for part in ("train", "test"))
    assert (len(train), len(test)) == (65, 29)  # of 6,513 and 2,990 of 10,000
    assert not set(train) & set(test)


@pytest.mark.parametrize(
    ("side", "measured"),
    [("whole", ["every file read"]), ("store", ["first batch", "1 batches", "1 validation batches"])],
)
def test_both_sides_read_it_and_say_how_long_it_took(data_dir, monkeypatch, capsys, side, measured):
    monkeypatch.chdir(ROOT)
    store.SIDES[side](data_dir)
    found = re.findall(
        r"^  (.+?) +after +\d+\.\d s, at most [\d.]+ [MG]iB in memory$", capsys.readouterr().out, re.MULTILINE
    )
    assert found == measured
