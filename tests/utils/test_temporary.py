"""Arrays in temporary files."""

import errno
import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from utils.errors import InputError
from utils.temporary import temporary_array


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
