"""Files of hickle, a dict in HDF5 in one of three forms, are read as dicts."""

import h5py
import numpy as np
import pytest
from helpers.corrected_archive import write_hickle
from helpers.feature_files import refusal

from data_loader.readers import read_file, read_items

VALUES = {
    "v-1_a.b": np.arange(12, dtype=np.float32).reshape(3, 4),
    "missing": np.float64("nan"),
    "empty": np.zeros((0, 4), dtype=np.float16),
    "data_0": np.ones(4),
    "it's": np.ones((2, 4)),
}


def write_version_4(path, content):
    with h5py.File(path, "w") as file:
        file.attrs["HICKLE_VERSION"] = "4.0.4"
        group = file.create_group("data")
        group.attrs["base_type"], group.attrs["type"] = b"dict", np.void(b"\x80\x04cos\nsystem\n.")  # is not read
        for name, value in content.items():
            group.create_group(repr(name))["data"] = value


def write_version_5(path, content):
    with h5py.File(path, "w") as file:
        file.attrs["HICKLE_VERSION"] = "5.0.3"
        types = file.create_group("hickle_types_table")
        types["dict"] = h5py.Empty("S1")
        group = file.create_group("data")
        group.attrs["type"] = types["dict"].ref
        for name, value in content.items():
            group[f'"{name}"'] = value


@pytest.mark.parametrize("write", [write_hickle, write_version_4, write_version_5])
def test_names_and_arrays_are_those_of_the_dict(tmp_path, write):
    write(tmp_path / "x.hickle", VALUES)
    by_row, items = read_items(tmp_path / "x.hickle")
    found = dict(items)
    assert not by_row and found.keys() == VALUES.keys()
    for name, value in VALUES.items():
        np.testing.assert_array_equal(found[name], value, strict=True)
    assert read_file(tmp_path / "x.hickle").keys() == VALUES.keys()


def list_in_place_of_a_dict(file):
    file.create_group("data_0")["data_0"] = np.ones(3)


def unquoted(file):
    file.create_group("data")["a"] = np.ones(3)


def deeper(file):
    file.create_group("data")["'a'/data/data"] = np.ones(3)


def nested(file):
    file.create_group("data_0")["'a'/data_0/'b'"] = np.ones(3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: None, "no dict as hickle writes it"),
        (lambda file: file.create_dataset("data", data=np.ones(3)), "no dict as hickle writes it"),
        (lambda file: [file.create_group(name) for name in ("data", "data_0")], "no dict as hickle writes it"),
        (lambda file: file.__setitem__("data", h5py.SoftLink("/elsewhere")), "no dict as hickle writes it"),
        (list_in_place_of_a_dict, "the entry 'data_0' in place of a quoted name"),
        (unquoted, "the entry 'a' in place of a quoted name"),
        (deeper, "in place of a quoted name"),
        (nested, "in place of a quoted name"),
    ],
)
def test_other_objects_are_refused(tmp_path, make, message):
    with h5py.File(tmp_path / "x.hickle", "w") as file:
        make(file)
    assert message in refusal(tmp_path / "x.hickle")


def test_links_out_of_the_file_are_refused(tmp_path):
    with h5py.File(tmp_path / "x.hickle", "w") as file:
        file.create_group("data")["'a'"] = h5py.ExternalLink("other.h5", "/data")
    assert "a link to elsewhere" in refusal(tmp_path / "x.hickle")
