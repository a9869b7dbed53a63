"""The cache of a feature file: its content, when it is rebuilt, and the memory that reading takes."""

import multiprocessing
import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from data_loader import store
from data_loader.conversion import FeatureEncoder
from data_loader.experts import Expert
from data_loader.store import open_table
from utils.errors import InputError

FRAMES = FeatureEncoder(Expert(6, aggregation="vlad"))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def write(path, content):
    """Pickle a feature file."""
    path.write_bytes(pickle.dumps(content))
    return path


def items_of(table):
    """Return, per name, the sequences of an item."""
    return {name: [table.read(s) for s in range(table.first[i], table.first[i + 1])] for i, name in enumerate(table.names)}


def assert_holds(table, expected):
    found = items_of(table)
    assert found.keys() == expected.keys()
    for name, spans in expected.items():
        assert len(found[name]) == len(spans), name
        for x, y in zip(found[name], spans, strict=True):
            np.testing.assert_array_equal(x, y)


def conversions(monkeypatch):
    """Return a list that grows with each conversion."""
    done, convert = [], store.convert
    monkeypatch.setattr(store, "convert", lambda *args: (done.append(args[0].name), convert(*args)))
    return done


def test_a_cache_is_made_once_and_again_when_its_source_or_settings_change(tmp_path, monkeypatch):
    done = conversions(monkeypatch)
    source, cache = write(tmp_path / "rgb.pickle", {"a": np.ones((2, 6))}), tmp_path / "cache"
    for _ in range(3):
        assert_holds(open_table(source, FRAMES, cache, None), {"a": [np.ones((2, 6))]})
    assert len(done) == 1
    write(source, {"a": np.full((3, 6), 2.0)})  # another size
    assert_holds(open_table(source, FRAMES, cache, None), {"a": [np.full((3, 6), 2.0)]})
    assert len(done) == 2
    write(source, {"a": np.full((3, 6), 3.0)})  # another time
    os.utime(source, ns=(0, 1))
    assert_holds(open_table(source, FRAMES, cache, None), {"a": [np.full((3, 6), 3.0)]})
    assert len(done) == 3
    average = FeatureEncoder(Expert(6, aggregation="avg"))
    assert_holds(open_table(source, average, cache, None), {"a": [np.full((1, 6), 3.0)]})
    assert_holds(open_table(source, FRAMES, cache, None), {"a": [np.full((3, 6), 3.0)]})  # beside the other
    assert len(done) == 4
    silent = FeatureEncoder(Expert(6, aggregation="vlad"), zeros_are_missing=False)
    open_table(source, silent, cache, None)
    assert len(done) == 5
    monkeypatch.setattr(store, "VERSION", store.VERSION + 1)
    open_table(source, silent, cache, None)
    assert len(done) == 6


@pytest.mark.parametrize("damage", [lambda x: x[: len(x) // 2], lambda x: b"", lambda x: b"not HDF5 at all" * 100])
def test_a_damaged_cache_is_made_again(tmp_path, damage):
    content = {f"v{i}": np.full((3, 6), i + 1.0) for i in range(50)}
    source = write(tmp_path / "rgb.pickle", content)
    open_table(source, FRAMES, tmp_path / "cache", None)
    (cache,) = (tmp_path / "cache").iterdir()
    cache.write_bytes(damage(cache.read_bytes()))
    assert_holds(open_table(source, FRAMES, tmp_path / "cache", None), {name: [x] for name, x in content.items()})


def test_a_cache_with_a_damaged_index_is_made_again(tmp_path, caplog):
    """The description of its source may be intact while the rest is damaged."""
    content = {f"v{i}": np.full((3, 6), i + 1.0) for i in range(50)}
    source = write(tmp_path / "rgb.pickle", content)
    open_table(source, FRAMES, tmp_path / "cache", None)
    (cache,) = (tmp_path / "cache").iterdir()
    whole, damaged = cache.read_bytes(), 0
    for place in range(0, len(whole), 400):
        cache.write_bytes(whole[:place] + bytes(400) + whole[place + 400 :])
        try:
            table = open_table(source, FRAMES, tmp_path / "cache", None)
        finally:
            damaged += "damaged, it is made anew" in caplog.text
            caplog.clear()
        assert len(table) == 50
    assert damaged > 2
    with h5py.File(cache, "r+") as file:
        file["row"][...] = 10**9  # far beyond the file
    assert_holds(open_table(source, FRAMES, tmp_path / "cache", None), {name: [x] for name, x in content.items()})


def test_the_cache_of_a_file_without_items_is_valid(tmp_path, caplog):
    source = write(tmp_path / "speech.pickle", {})
    for _ in range(2):
        assert len(open_table(source, FRAMES, tmp_path / "cache", None)) == 0
    assert len(open_table(source, FRAMES, tmp_path / "cache", refusal="no cache may be made")) == 0
    assert "damaged" not in caplog.text


def test_files_of_a_killed_conversion_are_deleted_after_a_day(tmp_path):
    source = write(tmp_path / "rgb.pickle", {"a": np.ones((2, 6))})
    old, young = (tmp_path / f".rgb.pickle.vlad-6.h5.{pid}.tmp" for pid in (1, 2))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    open_table(source, FRAMES, tmp_path, None)
    assert not old.exists() and young.exists()


def test_one_of_several_processes_makes_a_cache(tmp_path, monkeypatch):
    """The other processes wait and log a line; the first one is held until they have."""
    source = write(tmp_path / "rgb.pickle", {"a": np.ones((2, 6))})
    original, conversions, goes_on = store.convert, [], threading.Event()

    def convert(*arguments):
        conversions.append(arguments)
        if len(conversions) == 1:
            others.append(pool.submit(open_table, source, FRAMES, tmp_path / "cache", None))
            assert goes_on.wait(60)
        goes_on.set()
        original(*arguments)

    monkeypatch.setattr(store, "convert", convert)
    monkeypatch.setattr("utils.files.logger.info", lambda *arguments: goes_on.set())
    others = []
    with ThreadPoolExecutor() as pool:
        tables = [open_table(source, FRAMES, tmp_path / "cache", None), *(other.result() for other in others)]
    assert len(conversions) == 1 and [len(table) for table in tables] == [1, 1]


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path):
    source = write(tmp_path / "rgb.pickle", {"a": np.ones((3, 6))})
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match=r"tmp.*/cache: .*the cache of .*rgb.pickle goes there; data_loader.args.cache_dir"):
        open_table(source, FRAMES, tmp_path / "cache", None)


def read_elsewhere(table, queue):
    queue.put([x.tolist() for spans in items_of(table).values() for x in spans])


def test_a_table_can_be_sent_to_another_process(tmp_path):
    """A spawned worker maps the cache again instead of receiving a copy."""
    content = {"a": np.arange(6.0).reshape(1, 6), "b": np.ones((2, 6))}
    table = open_table(write(tmp_path / "rgb.pickle", content), FRAMES, tmp_path, None)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=read_elsewhere, args=(table, queue))
    process.start()
    assert queue.get(timeout=60) == [x.tolist() for x in content.values()]
    process.join()
    queue.close()
    queue.join_thread()
    assert len(pickle.dumps(table)) < 5000


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc is absent")
def test_reading_everything_leaves_little_in_memory(tmp_path, rng, monkeypatch):
    """The file has 128 MiB of noise; the memory is bounded by RESIDENT_BYTES, not by the file."""
    monkeypatch.setattr(store, "RESIDENT_BYTES", 16 << 20)
    wide = FeatureEncoder(Expert(1 << 14, aggregation="vlad"))
    content = {f"v{i}": rng.random((16, 1 << 14), dtype="f4") for i in range(128)}
    table = open_table(write(tmp_path / "rgb.pickle", content), wide, tmp_path, None)
    del content
    table.read(0)
    before = resident_bytes()
    for span in range(128):
        table.read(span)
    assert resident_bytes() - before < 40 << 20


def test_times_of_files_are_nanoseconds(tmp_path):
    """A file that changes within one second is noticed."""
    source = write(tmp_path / "rgb.pickle", {"a": np.ones((1, 6))})
    open_table(source, FRAMES, tmp_path, None)
    now = time.time_ns()
    write(source, {"a": np.full((1, 6), 2.0)})
    os.utime(source, ns=(now, now))
    assert_holds(open_table(source, FRAMES, tmp_path, None), {"a": [np.full((1, 6), 2.0)]})
