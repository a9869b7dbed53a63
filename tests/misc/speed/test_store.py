"""The benchmark of the store, on an archive of a hundred videos."""

import pytest
from helpers.paths import ROOT

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
    ("read", "measured"),
    [
        (store.read_whole, ["every file read"]),
        (store.read_with_store, ["first batch", "1 batches", "1 validation batches"]),
    ],
)
def test_both_ways_read_it_and_are_measured(data_dir, monkeypatch, read, measured):
    monkeypatch.chdir(ROOT)
    names, seconds, peaks = zip(*read(data_dir), strict=True)
    assert list(names) == measured and seconds[0] > 0 and list(seconds) == sorted(seconds)
    assert peaks[0] > 50 << 20 and list(peaks) == sorted(peaks)


def test_three_starts_are_printed(tmp_path, monkeypatch, capsys):
    (tmp_path / "MSRVTT-1000/symlinked-feats").mkdir(parents=True)
    monkeypatch.setattr(store, "call_in_process", lambda read, folder: [[read.__name__, 1.5, 3 << 20]])
    figures = store.run(tmp_path, 1000)["figures"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "files read whole:",
        f"  {'read_whole':24} after    1.5 s, at most 3.0 MiB in memory",
        "store without its caches:",
        f"  {'read_with_store':24} after    1.5 s, at most 3.0 MiB in memory",
        "store with its caches:",
        f"  {'read_with_store':24} after    1.5 s, at most 3.0 MiB in memory",
    ]
    assert list(figures) == [line.removesuffix(":") for line in lines[1::2]]


def test_an_archive_is_made_once_and_complete(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(store, "write_archive", lambda folder, number: (folder.mkdir(parents=True), made.append(number)))
    (tmp_path / "MSRVTT-7.unfinished").mkdir()  # of a run that was killed
    (tmp_path / "MSRVTT-7.unfinished" / "old").touch()
    for _ in range(2):
        assert store.make_archive(tmp_path, 7) == tmp_path / "MSRVTT-7"
    assert made == [7] and [path.name for path in tmp_path.rglob("*")] == ["MSRVTT-7", "symlinked-feats"]
