"""Pickled objects of the class ExpertStore are read as dicts, and nothing in them is executed."""

import copy
import os
import pickle
import sys

import numpy as np
import pytest
from helpers.corrected_archive import ExpertStore, expert_store_module, write_expert_store
from helpers.feature_files import Reduction, refusal

from data_loader.conversion import FeatureEncoder
from data_loader.experts import Expert
from data_loader.readers import read_file, read_items
from data_loader.readers.pickle_file import UnstreamableError
from data_loader.store import open_table
from utils.errors import InputError

MODULES = ("zsvision.zs_data_structures", "datastructures")
VALUES = {"a": np.array([1, 2, 3.5, 4]), "b": float("nan"), "c": np.zeros(4), "é/2": np.array([-1, 0, 0, 65504])}


def read(path):
    by_row, items = read_items(path, stream=False)
    assert not by_row
    return dict(items)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_vectors_and_missing_videos_are_those_of_the_object(tmp_path, module, protocol):
    path = tmp_path / "x.pickle"
    write_expert_store(path, ExpertStore(VALUES, 4), module, protocol)
    assert module.encode() in path.read_bytes() and module not in sys.modules
    found = read(path)
    assert list(found) == list(VALUES)
    for name, value in VALUES.items():
        np.testing.assert_array_equal(found[name], value)
    assert isinstance(found["b"], float)


def test_a_row_of_nan_is_missing_also_where_the_object_does_not_say_so(tmp_path):
    """The class of a later version leaves `missing` empty."""
    store = ExpertStore({**VALUES, "d": np.array([1, np.nan, 2, 3])}, 4)
    store.missing = set()
    write_expert_store(tmp_path / "x.pickle", store)
    found = read(tmp_path / "x.pickle")
    assert isinstance(found["b"], float) and found["d"].shape == (4,)


def test_a_video_in_missing_is_missing_whatever_its_row_is(tmp_path):
    store = ExpertStore(VALUES, 4)
    store.missing = ["a"]
    write_expert_store(tmp_path / "x.pickle", store)
    found = read(tmp_path / "x.pickle")
    assert np.isnan(found["a"]) and np.ndim(found["a"]) == 0


def test_rows_are_found_by_the_keymap_and_not_by_the_order_of_the_names(tmp_path):
    store = ExpertStore(VALUES, 4)
    store.keymap = {"c": 0, "b": 1, "a": 2, "é/2": 3}
    write_expert_store(tmp_path / "x.pickle", store)
    found = read(tmp_path / "x.pickle")
    np.testing.assert_array_equal(found["c"], VALUES["a"])
    np.testing.assert_array_equal(found["a"], VALUES["c"])


def test_an_object_is_converted_like_a_dict(tmp_path):
    write_expert_store(tmp_path / "x.pickle", ExpertStore(VALUES, 4))
    with pytest.raises(UnstreamableError):
        list(read_items(tmp_path / "x.pickle")[1])
    table = open_table(tmp_path / "x.pickle", FeatureEncoder(Expert(4), only_nan_is_missing=True), tmp_path / "cache", None)
    assert table.names == list(VALUES) and not table.problems
    assert [len(table.sequences(item)) for item in range(4)] == [1, 0, 1, 1]
    np.testing.assert_array_equal(table.read(table.sequences(3)[0])[0], VALUES["é/2"])


def change(store, /, **attributes):
    for name, value in attributes.items():
        setattr(store, name, value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda x: change(x, store=np.zeros((4, 3), "f2")),
            r"whose store has the shape \(4, 3\), which does not fit its dim 4",
        ),
        (lambda x: change(x, dim="4"), "does not fit its dim '4'"),
        (lambda x: change(x, dim=True), "does not fit its dim True"),
        (lambda x: change(x, store=np.zeros(4, "f2")), "whose store is not an array of floats"),
        (lambda x: change(x, store=np.zeros((4, 4), int)), "whose store is not an array of floats"),
        (lambda x: change(x, store=[[1.0]]), "whose store is not an array of floats"),
        (lambda x: x.keymap.update(a=4), "ExpertStore of 4 rows, in which 'a' has the row 4"),
        (lambda x: x.keymap.update(a=-1), "'a' has the row -1"),
        (lambda x: x.keymap.update(a=0.0), "'a' has the row 0.0"),
        (lambda x: x.keymap.update(a="0"), "'a' has the row '0'"),
        (lambda x: x.keymap.update(a=2), "two videos have the same row"),
        (lambda x: change(x, keymap=[0, 1, 2, 3]), "keymap is not a dict"),
        (lambda x: change(x, keymap={0: 0}), "keymap is not a dict from video name to row"),
        (lambda x: x.keys.append("d"), "keys are not those of its keymap"),
        (lambda x: x.keymap.pop("a"), "keys are not those of its keymap"),
        (lambda x: change(x, keys="abc"), "keys are not a list or set of names"),
        (lambda x: change(x, missing={"a", "d"}), "the missing 'd' is none of its videos"),
        (lambda x: change(x, missing={1}), "missing are not a list or set of names"),
        (lambda x: delattr(x, "missing"), "ExpertStore without missing"),
        (lambda x: delattr(x, "store"), "ExpertStore without store"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(tmp_path, damage, message):
    store = copy.deepcopy(ExpertStore(VALUES, 4))
    damage(store)
    write_expert_store(tmp_path / "x.pickle", store)
    with pytest.raises(InputError, match=f"x.pickle: refused, it holds an .*{message}") as caught:
        read(tmp_path / "x.pickle")
    assert str(caught.value).isprintable()


def test_a_function_in_an_object_is_not_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = ExpertStore(VALUES, 4)
    store.store_dtype = Reduction(os.system, "touch marker")
    write_expert_store(tmp_path / "x.pickle", store)
    for stream in (True, False):
        with pytest.raises((InputError, UnstreamableError)):
            dict(read_items(tmp_path / "x.pickle", stream)[1])
    with pytest.raises(InputError, match=r"refused, it holds the class (posix|nt)\.system"):
        read(tmp_path / "x.pickle")
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", ["gen_dict_store", "np.load", "ExpertStore.__init__"])
def test_other_names_of_its_module_are_refused(tmp_path, name):
    texts = [b"\x8c" + bytes([len(text)]) + text.encode() for text in (MODULES[0], name)]
    (tmp_path / "x.pickle").write_bytes(b"\x80\x04" + b"".join(texts) + b"\x93.")
    assert f"the class {MODULES[0]}.{name}" in refusal(tmp_path / "x.pickle")


def test_it_is_refused_in_small_files_such_as_an_index(tmp_path):
    write_expert_store(tmp_path / "index.pkl", ExpertStore(VALUES, 4))
    with pytest.raises(
        InputError, match=r"index.pkl: refused, it holds the class zsvision\.zs_data_structures\.ExpertStore"
    ):
        read_file(tmp_path / "index.pkl")


def test_a_type_of_numbers_is_refused_elsewhere(tmp_path):
    with expert_store_module(MODULES[0]):
        (tmp_path / "x.pickle").write_bytes(pickle.dumps({"a": ExpertStore(VALUES, 4), "b": [np.float16]}))
    with pytest.raises(InputError, match=r"x\.pickle: refused, it holds an object that is not an array"):
        dict(read_items(tmp_path / "x.pickle", stream=False)[1])
