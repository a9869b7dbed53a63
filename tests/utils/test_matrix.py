"""Matrices in temporary files against arrays."""

import errno
import io
import os
import tempfile

import numpy as np
import pytest

from utils import matrix
from utils.errors import InputError
from utils.matrix import FileMatrix, columns_of, row_blocks, save_npz


def stored(rows, step=3):
    """Rows in a file, written a few at a time."""
    found = FileMatrix(rows.shape[1])
    for start in range(0, len(rows), step):
        found.append(rows[start : start + step])
    return found


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(11, 5)).astype(np.float32)


def test_reads_what_was_written(rows):
    found = stored(rows)
    assert found.shape == (11, 5) and len(found) == 11 and found.dtype == np.float32
    for start in range(12):
        for stop in (0, 4, 11, 99):
            assert np.array_equal(found[start:stop], rows[start:stop])
    assert np.array_equal(found[:], rows) and np.array_equal(found[-2:], rows[-2:])


def test_reserving_room_changes_nothing(rows):
    found = FileMatrix(5)
    found.reserve(11)
    assert found.shape == (0, 5) and found[:].shape == (0, 5)
    found.append(rows)
    assert np.array_equal(found[:], rows)


def test_reads_and_writes_that_the_system_cuts_short(rows, monkeypatch):
    pwritev, preadv = os.pwritev, os.preadv
    monkeypatch.setattr(os, "pwritev", lambda file, buffers, at: pwritev(file, [buffers[0][:7]], at))
    monkeypatch.setattr(os, "preadv", lambda file, buffers, at: preadv(file, [buffers[0][:5]], at))
    assert np.array_equal(stored(rows)[2:9], rows[2:9])


def test_rows_that_do_not_fit_are_refused(rows):
    with pytest.raises(ValueError, match="5 columns"):
        stored(rows).append(rows[:, :4])


def test_the_file_has_no_name_and_is_closed_with_the_matrix(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = stored(rows)
    assert not list(tmp_path.iterdir())
    descriptor = found._file.fileno()
    assert os.fstat(descriptor).st_nlink == 0 and os.fstat(descriptor).st_size == rows.nbytes
    del found
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize("call", ["pwritev", "posix_fallocate"])
def test_a_full_disk_is_one_line(rows, tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, call, full)
    found = FileMatrix(5)
    with pytest.raises(InputError, match=f"^{tmp_path}: No space left on device .220 Bytes were needed.*TMPDIR"):
        found.append(rows) if call == "pwritev" else found.reserve(11)


def test_no_folder_for_it_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(InputError, match="absent: No such file or directory"):
        FileMatrix(5)


@pytest.mark.parametrize("block_bytes", [1, 50, 1 << 20])
def test_blocks_columns_and_npz_are_those_of_the_array(rows, monkeypatch, block_bytes):
    monkeypatch.setattr(matrix, "BLOCK_BYTES", block_bytes)
    for x in (rows, stored(rows)):
        assert np.array_equal(np.concatenate(list(row_blocks(x))), rows)
        assert np.array_equal(columns_of(x, [4, 0, 0]), rows.T[[4, 0, 0]])
        file = io.BytesIO()
        save_npz(file, sims=x, names=np.array(["a", "ż"]), leaky=np.array(True))
        found = np.load(io.BytesIO(file.getvalue()))
        assert sorted(found) == ["leaky", "names", "sims"]
        assert np.array_equal(found["sims"], rows) and found["names"].tolist() == ["a", "ż"] and found["leaky"]
