"""`.npy` files: arrays, and objects that numpy wraps in arrays; records and long headers are refused."""

import numpy as np
from helpers.feature_files import ARRAYS, unsafe_content

from data_loader.readers import read_file


def test_arrays_and_wrapped_objects_are_read(tmp_path):
    np.save(tmp_path / "dict.npy", np.array({"a": ARRAYS["half"]}, dtype=object))
    ragged = np.empty(2, dtype=object)
    ragged[:] = [ARRAYS["half"], ARRAYS["empty"]]
    np.save(tmp_path / "ragged.npy", ragged)
    np.save(tmp_path / "plain.npy", ARRAYS["half"])
    read = read_file(tmp_path / "dict.npy")
    assert list(read) == ["a"]
    np.testing.assert_array_equal(read["a"], ARRAYS["half"], strict=True)
    np.testing.assert_array_equal(read_file(tmp_path / "plain.npy"), ARRAYS["half"])
    for found, expected in zip(read_file(tmp_path / "ragged.npy"), ragged, strict=True):
        np.testing.assert_array_equal(found, expected, strict=True)


def test_npy_files_with_a_long_header_or_of_records_are_refused(tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x02\x00" + (1 << 20).to_bytes(4, "little") + b" " * (1 << 20))
    assert unsafe_content(path).startswith("a header of 1048576 bytes")
    np.save(path, np.zeros(3, [("a", "f8"), ("b", "i4")]))
    assert unsafe_content(path).startswith("an array of [('a'")
