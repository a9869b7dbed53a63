"""Msgpack files that hold other things than arrays are refused."""

import msgpack
import pytest
from helpers.feature_files import unsafe_content

from data_loader.readers import read_items
from utils.errors import InputError


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
    assert unsafe_content(path).startswith(message)


def test_maps_in_maps_are_read_and_other_files_refused(tmp_path):
    path = tmp_path / "x.mp"
    path.write_bytes(msgpack.packb({"a": {"b": [1.5, "c"]}}))
    assert dict(read_items(path)[1]) == {"a": {"b": [1.5, "c"]}}
    path.write_bytes(msgpack.packb([1, 2]))
    with pytest.raises(InputError, match=r"x\.mp: found no map, expected one from video name to array"):
        dict(read_items(path)[1])
