"""Atomic writes, after which a file is complete or absent, and arrays in temporary files."""

import errno
import io
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from utils.errors import InputError
from utils.files import atomic_write, read_limited, remove_abandoned, temporary_array, write_json


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_interrupted_write_changes_nothing(tmp_path, error, old):
    path = tmp_path / "x.bin"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"ne")
        file.flush()
        assert (path.read_bytes() if path.exists() else None) == old
        raise error
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == ([] if old is None else [("x.bin", old)])


def test_a_completed_write_replaces_the_old_file(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"a longer old content")
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"a longer old content"
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x.bin", b"new")]


def test_a_reader_of_the_old_file_keeps_it_whole(tmp_path):
    """The new file takes its name; nothing is written into the old one, which a crash could leave half written."""
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    with path.open("rb") as old:
        with atomic_write(path) as file:
            file.write(b"newer")
        assert old.read() == b"old" and path.read_bytes() == b"newer"


def test_a_limited_read_takes_whole_files_only(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"1234")
    assert read_limited(path, 4) == b"1234"
    with pytest.raises(ValueError, match="more than 3 bytes"):
        read_limited(path, 3)
    with pytest.raises(ValueError, match="no file, but a pipe or a device"):
        read_limited(Path(os.devnull), 3)
    os.mkfifo(tmp_path / "pipe")
    descriptor = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        os.write(descriptor, b"1234")
        with pytest.raises(ValueError, match="no file, but a pipe or a device"):
            read_limited(tmp_path / "pipe", 3)
    finally:
        os.close(descriptor)


def test_two_processes_with_the_same_id_do_not_share_a_temporary_file(tmp_path, monkeypatch):
    """Two containers that share a disk both count from 1."""
    monkeypatch.setattr("os.getpid", lambda: 1)
    path = tmp_path / "x.bin"
    with atomic_write(path) as one:
        with atomic_write(path) as other:
            other.write(b"other")
        assert path.read_bytes() == b"other"
        one.write(b"one")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x.bin", b"one")]


def test_files_of_killed_writes_are_deleted_after_a_day(tmp_path):
    path = tmp_path / "x.bin"
    with pytest.raises(ZeroDivisionError), atomic_write(path):
        (left,) = tmp_path.iterdir()
        1 / 0  # noqa: B018
    left.touch()
    remove_abandoned(path)
    assert left.exists()
    os.utime(left, (0, 0))
    remove_abandoned(path)
    assert not left.exists()


def test_json_is_written_atomically(tmp_path):
    path = tmp_path / "x.json"
    content = {"a": [1, 2.5, None, "café"], "b": {"c": True}}
    write_json(path, content)
    assert json.loads(path.read_text()) == content
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == content
    assert len(list(tmp_path.iterdir())) == 1


def files_of_process(folder):
    """Return the files in `folder` that this process has open or mapped; on Linux, those without a name too."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    descriptors = [str(x.readlink()) for x in Path("/proc/self/fd").iterdir() if x.is_symlink()]
    return [x for x in (*maps, *descriptors) if str(folder) in x]


@pytest.mark.parametrize("shape", [(11, 5), (3,), (0, 4)])
def test_an_array_of_zeros_that_can_be_written_to(shape):
    rows = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = temporary_array(shape)
    assert isinstance(found, np.memmap) and found.shape == shape and found.dtype == np.float32 and not found.any()
    found[:] = rows
    assert np.array_equal(found, rows) and np.array_equal(found[1:2], rows[1:2])


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of open files")
def test_the_file_has_no_name_and_is_gone_with_the_array(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = temporary_array((11, 5))
    assert not list(tmp_path.iterdir()) and files_of_process(tmp_path)
    del found
    assert not files_of_process(tmp_path)


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match=f"^{tmp_path}: No space left on device .220 Bytes were needed.*TMPDIR"):
        temporary_array((11, 5))


def test_no_folder_for_it_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(InputError, match="absent: No such file or directory"):
        temporary_array((11, 5))


def test_archives_and_columns_are_those_of_an_array_in_memory():
    rows = np.random.default_rng(0).normal(size=(11, 5)).astype(np.float32)
    found = temporary_array((11, 5))
    found[:] = rows
    file = io.BytesIO()
    np.savez_compressed(file, sims=found)
    assert np.array_equal(np.load(io.BytesIO(file.getvalue()))["sims"], rows)
    assert type(found[:, [4, 0, 0]]) is np.ndarray and np.array_equal(found[:, [4, 0, 0]], rows[:, [4, 0, 0]])
