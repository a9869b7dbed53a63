"""Pickles of every protocol, and of Python 2, hold the arrays that were written."""

import pickle
import struct

import numpy as np
import pytest
from helpers.feature_files import ARRAYS

from data_loader.readers import read_file


def python2_pickle(key, array, core):
    """Return the pickle of {key: array} for a 2-d array as Python 2 and its numpy wrote it, with text as byte strings."""
    data = array.tobytes()
    return b"".join(
        [
            b"\x80\x02}U" + bytes([len(key)]) + key,
            b"cnumpy." + core + b".multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R",
            b"(K\x01K" + bytes([array.shape[0]]) + b"K" + bytes([array.shape[1]]) + b"\x86",
            b"cnumpy\ndtype\nU\x02" + array.dtype.str[1:].encode() + b"K\x00K\x01\x87R",
            b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"T" + struct.pack("<i", len(data)) + data + b"tbs.",
        ]
    )


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_arrays_are_read_from_pickles_of_every_protocol(tmp_path, protocol):
    path = tmp_path / "x.pickle"
    content = {"arrays": ARRAYS, "list": [np.float32(1.5), (1, 2.5, "a", b"\xff", None, True, {3})]}
    path.write_bytes(pickle.dumps(content, protocol))
    read = read_file(path)
    assert read["list"] == content["list"]
    assert list(read["arrays"]) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read["arrays"][name], array)
        assert read["arrays"][name].dtype.newbyteorder("=") == array.dtype.newbyteorder("=")


@pytest.mark.parametrize("core", [b"core", b"_core"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_pickles_of_python_2_are_read_as_latin1(tmp_path, core, dtype):
    array = np.random.default_rng(0).normal(size=(2, 3)).astype(dtype)  # with bytes beyond ASCII
    path = tmp_path / "x.pkl"
    path.write_bytes(python2_pickle(b"caf\xe9", array, core))
    read = read_file(path)
    assert list(read) == ["café"]
    np.testing.assert_array_equal(read["café"], array, strict=True)
