"""Reading a pickled dict item by item gives the same as reading it as a whole."""

import io
import pickle

import numpy as np
import pytest
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from data_loader.readers.pickle_file import StreamingUnpickler, UnstreamableError
from utils.safe_pickle import KEPT_BYTES, SafeUnpickler

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
arrays = st.builds(
    lambda rows, cols, dtype: np.arange(rows * cols).reshape(rows, cols).astype(dtype),
    st.integers(0, 40),
    st.sampled_from([1, 3, 64]),
    st.sampled_from(["f2", "f4", "f8", "i4"]),
)
leaves = st.one_of(
    arrays, st.text(max_size=3), st.text("ab", min_size=KEPT_BYTES + 1, max_size=KEPT_BYTES + 3), st.integers()
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy"), inner, max_size=3))
contents = st.dictionaries(st.text(max_size=5) | st.integers(), values, max_size=5)


def same(x, y):
    if isinstance(x, np.ndarray):
        return isinstance(y, np.ndarray) and x.dtype == y.dtype and np.array_equal(x, y)
    if isinstance(x, list):
        return isinstance(y, list) and len(x) == len(y) and all(map(same, x, y))
    if isinstance(x, dict):
        return isinstance(y, dict) and list(x) == list(y) and all(same(x[key], y[key]) for key in x)
    return type(x) is type(y) and x == y


def streamed(data):
    return dict(StreamingUnpickler(io.BytesIO(data)).iter_items())


@given(contents, st.sampled_from(PROTOCOLS), st.booleans())
@examples(40)
def test_items_are_those_of_the_whole_dict(content, protocol, as_numpy):
    data = pickle.dumps(np.array(content, dtype=object) if as_numpy else content, protocol)
    assert same(streamed(data), content)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_many_items_and_long_lists(protocol):
    """Pickles set items, and append to lists, by the thousand."""
    content = {f"v{i}": [np.full((3, 200), i, "f4")] * (i % 3) for i in range(2500)}
    content = {name: [x.copy() for x in value] for name, value in content.items()}
    content["long"] = [np.full(300, k, "f4") for k in range(2100)]
    content["words"] = [["a", "dog"], [], ["a"]] * 800
    content["texts"] = ["a", "b", "c"] * 700
    content["text"] = "b"
    content["next"] = ["a"]
    assert same(streamed(pickle.dumps(content, protocol)), content)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_item_is_yielded_before_the_next_is_read(protocol):
    """The first item can be deleted before the last is read."""
    content = {f"v{i}": np.full((1000, 8), i, "f4") for i in range(50)}
    data = pickle.dumps(content, protocol)
    file = io.BytesIO(data)
    places = [file.tell() / len(data) for _ in StreamingUnpickler(file).iter_items()]
    expected = (np.arange(50) + 1) / 50
    assert np.abs(places - expected).max() < 0.1  # a pickle is written in frames


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_yielded_items_are_not_kept(protocol):
    """No more than a few of a hundred arrays are alive at a time."""
    content = {f"v{i}": [np.full((100, 8), i, "f4"), np.full((100, 8), -i, "f4")] for i in range(100)}
    unpickler = StreamingUnpickler(io.BytesIO(pickle.dumps(content, protocol)))
    seen = [key for key, _ in unpickler.iter_items()]
    held = [x for x in unpickler.memo.values() if isinstance(x, np.ndarray | list | bytes | str)]
    assert len(seen) == 100
    assert all(not isinstance(x, np.ndarray | list) and len(x) < KEPT_BYTES for x in held)


@pytest.mark.parametrize("protocol", [2, 5])
def test_a_pickle_whose_items_share_a_large_array_has_to_be_read_as_a_whole(protocol):
    shared = np.zeros((100, 8))
    data = pickle.dumps({"a": shared, "b": shared}, protocol)
    with pytest.raises(UnstreamableError):
        streamed(data)
    small = np.zeros(0)
    content = {"a": small, "b": small}
    assert same(streamed(pickle.dumps(content, protocol)), content)
    assert same(SafeUnpickler(io.BytesIO(data)).load(), {"a": shared, "b": shared})


@pytest.mark.parametrize("content", [[1, 2], "text", None, [{"a": 1}], ({"a": 1}, {"b": 2}), np.zeros(3), [{}, {}]])
def test_a_pickle_of_another_object_than_a_dict_has_to_be_read_as_a_whole(content):
    with pytest.raises(UnstreamableError):
        streamed(pickle.dumps(content))
