"""HDF5 files are read by the paths of their data sets; links that lead outside of a file are refused."""

import h5py
import numpy as np
import pytest
from helpers.feature_files import ARRAYS, refusal

from data_loader.readers import read_file


def test_data_sets_are_named_by_their_path(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name, array in ARRAYS.items():
            file[name] = array
    read = read_file(tmp_path / "x.h5")
    assert read.keys() == ARRAYS.keys()  # one of them in a group
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array)


def _soft(file, outside):
    file["data"] = h5py.SoftLink("/elsewhere")


def _external(file, outside):
    file["group/data"] = h5py.ExternalLink(outside, "/data")


def _external_storage(file, outside):
    file.create_dataset("data", (8,), "u1", external=[(str(outside), 0, 8)])


def _virtual(file, outside):
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource(str(outside), "data", (4,))
    file.create_virtual_dataset("data", layout)


@pytest.mark.parametrize("add", [_soft, _external, _external_storage, _virtual])
def test_links_outside_of_the_file_are_refused(tmp_path, add):
    outside = tmp_path / "outside.h5"
    with h5py.File(outside, "w") as file:
        file["data"] = np.arange(4.0)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        add(file, outside)
    assert "data" in refusal(tmp_path / "x.h5").replace("data sets", "")
