"""HDF5 files: paths of data sets, refusal of links out of the file, and of content that is larger than the file."""

import zlib

import h5py
import numpy as np
import pytest
from helpers.feature_files import ARRAYS, refusal, unsafe_content

from data_loader.readers import read_file, read_items


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


def test_an_hdf5_group_in_several_places_is_refused(tmp_path):
    """A group in itself has infinitely many paths; one that is linked twice per level has 2**depth."""
    for number, parent in enumerate(("a/b", "/")):
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w") as file:
            file["a/b/x"] = np.ones(2)
            file[parent]["link"] = file["a"]
        assert unsafe_content(path).startswith(
            f"the group '{'a/b/link/' if parent == 'a/b' else 'link/'}' in several places"
        )


def test_an_hdf5_data_set_is_measured_before_it_is_read(tmp_path):
    """Chunks that were never written take no room in the file."""
    for name, options in (("nbytes", {"shape": 9 << 20, "chunks": 1024}), ("chunk", {"shape": 1, "chunks": 9 << 20})):
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("x", dtype="f8", maxshape=(None,), **options)
        assert unsafe_content(path).startswith(f"'x' of {9 * 8 << 20} bytes, more than a file of its size may")


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
            assert unsafe_content(path).startswith(expected)
        else:
            assert not dict(read_items(path)[1])["x"].any()


def test_data_sets_of_other_types_and_filters_are_refused(tmp_path):
    for name, options, message in (
        ("records", {"data": np.zeros(3, [("a", "f8")])}, "'x', an array of [('a', '<f8')] of shape (3,)"),
        ("texts", {"data": ["a", "b"], "dtype": h5py.string_dtype()}, "'x', an array of object of shape (2,)"),
        ("offset", {"data": np.zeros(8, int), "scaleoffset": 0}, "'x', packed in an unusual way"),
    ):
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("x", **options)
        assert unsafe_content(path).startswith(message)


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"shuffle": True}, {"fletcher32": True}])
def test_chunks_of_known_filters_are_read(tmp_path, options):
    x = np.arange(100.0)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(10,), **options)
    np.testing.assert_array_equal(read_file(tmp_path / "x.h5")["x"], x)
