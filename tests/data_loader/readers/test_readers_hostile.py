"""Files of each format that unpack to more than they should, or hold other things than arrays."""

import zlib

import h5py
import msgpack
import numpy as np
import pytest

from data_loader.readers import read_items
from utils.errors import InputError


def refusal(path):
    with pytest.raises(InputError) as caught:
        dict(read_items(path)[1])
    assert str(caught.value).startswith(f"{path}: refused, it holds ")
    return str(caught.value).partition("it holds ")[2]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (msgpack.ExtType(5, b"anything"), "an object of another program (type 5)"),
        ({"nd": True, "type": "O", "kind": b"O", "shape": [1], "data": b""}, "an array of objects or records"),
        ({"nd": True, "type": [["a", "f8"]], "kind": b"V", "shape": [1], "data": b""}, "an array of objects or records"),
        ({"nd": True, "type": "V8", "kind": b"", "shape": [1], "data": bytes(8)}, "an array of |V8"),
        ({"nd": True, "type": "M8[s]", "kind": b"", "shape": [1], "data": bytes(8)}, "an array of datetime64[s]"),
    ],
)
@pytest.mark.parametrize("depth", [0, 1])
def test_msgpack_of_other_things_than_arrays_is_refused(tmp_path, value, message, depth):
    path = tmp_path / "x.mp"
    path.write_bytes(msgpack.packb({"a": [value] if depth else value}))
    assert refusal(path).startswith(message)


def test_an_hdf5_group_in_several_places_is_refused(tmp_path):
    """In itself it would never end; twice on each level, it would have too many paths."""
    for number, parent in enumerate(("a/b", "/")):
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w") as file:
            file["a/b/x"] = np.ones(2)
            file[parent]["link"] = file["a"]
        assert refusal(path).startswith(f"the group '{'a/b/link/' if parent == 'a/b' else 'link/'}' in several places")


def test_an_hdf5_data_set_is_measured_before_it_is_read(tmp_path):
    """Chunks that were never written take no room in the file."""
    for name, options in (("nbytes", {"shape": 9 << 20, "chunks": 1024}), ("chunk", {"shape": 1, "chunks": 9 << 20})):
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("x", dtype="f8", maxshape=(None,), **options)
        assert refusal(path).startswith(f"'x' of {9 * 8 << 20} bytes, more than a file of its size may")


def test_an_hdf5_chunk_that_unpacks_to_more_than_its_size_is_refused(tmp_path):
    path = tmp_path / "x.h5"
    for content, expected in (
        (bytes(8000), None),
        (bytes(100 << 20), "'x', with a chunk that unpacks to more than its size"),
    ):
        with h5py.File(path, "w") as file:
            data_set = file.create_dataset("x", 1000, "f8", chunks=1000, compression="gzip")
            data_set.id.write_direct_chunk((0,), zlib.compress(content, 9))
        if expected:
            assert refusal(path).startswith(expected)
        else:
            assert not dict(read_items(path)[1])["x"].any()


def test_npy_files_with_a_long_header_or_of_records_are_refused(tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x02\x00" + (1 << 20).to_bytes(4, "little") + b" " * (1 << 20))
    assert refusal(path).startswith("a header of 1048576 bytes")
    np.save(path, np.zeros(3, [("a", "f8"), ("b", "i4")]))
    assert refusal(path).startswith("an array of [('a'")
