"""Converting feature files side by side, against converting one after the other."""

import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest
from helpers.toy_archive import Archive

from data_loader import archive, parallel_conversion, store
from data_loader.conversion import CaptionEncoder, FeatureEncoder
from data_loader.dataset import ExpertDataset
from data_loader.experts import Expert
from data_loader.parallel_conversion import FeatureFile, convert_files
from data_loader.store import open_table
from utils.errors import InputError


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(parallel_conversion, "MIN_BYTES", 0)
    monkeypatch.setattr(parallel_conversion, "count_cores", lambda: 2)


def make_files(folder, cache, number=3, items=20, rows=4):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    files = []
    for i in range(number):
        source = folder / f"expert{i}.pickle"
        source.write_bytes(pickle.dumps({f"v{j}": rng.normal(size=(rows, 6)).astype(np.float32) for j in range(items)}))
        files.append(FeatureFile(source, FeatureEncoder(Expert(6, aggregation="vlad")), cache))
    captions = folder / "text.pickle"
    captions.write_bytes(pickle.dumps({f"v{j}": [rng.normal(size=(3, 5))] for j in range(items)}))
    return [*files, FeatureFile(captions, CaptionEncoder(5), cache)]


def content(table):
    return table.names, table.problems, [table.read(i).tolist() for i in range(len(table.lengths))]


def refuse(*_, **__):
    raise AssertionError("converted here")


def test_caches_are_those_of_converting_one_after_the_other(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    files = make_files(tmp_path / "feats", tmp_path / "cache")
    convert_files(files)
    assert caplog.text.count("converted ") == 4 and not multiprocessing.active_children()
    expected = [content(open_table(file.source, file.encoder, tmp_path / "other", None)) for file in files]
    monkeypatch.setattr(store, "convert", refuse)
    found = [content(open_table(*file, None)) for file in files]
    assert found == expected
    caplog.clear()
    convert_files(files)
    assert not caplog.text


def test_only_files_without_a_present_cache_are_converted(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    files = make_files(tmp_path / "feats", tmp_path / "cache")
    convert_files(files)
    for file in files[:2]:
        file.source.write_bytes(pickle.dumps({"other": np.ones((2, 6))}))
    caplog.clear()
    convert_files(files)
    assert caplog.text.count("converted ") == 2
    assert [open_table(*file, None).names for file in files[:2]] == [["other"], ["other"]]


def test_a_file_that_cannot_be_read_is_left_to_be_reported_where_it_is_used(tmp_path):
    files = make_files(tmp_path / "feats", tmp_path / "cache")
    files[1].source.write_bytes(b"nothing")
    convert_files(files)
    assert [file.has_cache() for file in files] == [True, False, True, True]
    with pytest.raises(InputError, match=r"expert1\.pickle"):
        open_table(*files[1], None)


def test_a_process_that_dies_leaves_its_files_to_be_converted_later(tmp_path, monkeypatch):
    files = make_files(tmp_path / "feats", tmp_path / "cache")
    monkeypatch.setattr(parallel_conversion, "_convert_one", die)
    convert_files(files)
    assert not any(file.has_cache() for file in files)
    assert len(open_table(*files[0], None)) == 20


def die(file):
    os._exit(9)


def sleep(file):
    time.sleep(60)


def test_an_interruption_ends_the_processes(tmp_path, monkeypatch):
    files = make_files(tmp_path / "feats", tmp_path / "cache")
    monkeypatch.setattr(parallel_conversion, "_convert_one", sleep)
    main = threading.main_thread().ident
    timer = threading.Timer(3, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        convert_files(files)
    assert not multiprocessing.active_children() and time.perf_counter() - started < 30


@pytest.mark.parametrize(("min_bytes", "cores"), [(1 << 30, 2), (0, 1)])
def test_few_bytes_and_one_core_start_no_processes(tmp_path, monkeypatch, min_bytes, cores):
    monkeypatch.setattr(parallel_conversion, "MIN_BYTES", min_bytes)
    monkeypatch.setattr(parallel_conversion, "count_cores", lambda: cores)
    monkeypatch.setattr(parallel_conversion, "_convert_in_processes", refuse)
    convert_files(make_files(tmp_path / "feats", tmp_path / "cache"))


def test_a_dataset_converts_its_files_so(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.chdir(tmp_path)
    toy = Archive(tmp_path)
    toy.write()
    ids, experts = toy.ids[:24], {"rgb": Expert(12), "audio": Expert(8, aggregation="vlad")}
    dataset = ExpertDataset(archive.Archive("data/Toy", "Toy", "val"), "train", ids, experts, "toy", 10, 20, 20)
    lines = [record.message for record in caplog.records if record.message.startswith("converted ")]
    by_processes = [record.name for record in caplog.records if record.name == "data_loader.parallel_conversion"]
    assert len(by_processes) == 3 and len(lines) >= 3  # captions as text are converted when they are read
    assert dataset.availability().keys() == experts.keys()
