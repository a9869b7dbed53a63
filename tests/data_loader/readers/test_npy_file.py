"""Arrays, and objects that numpy wraps in arrays, are read from `.npy` files."""

import numpy as np
from helpers.feature_files import ARRAYS

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
