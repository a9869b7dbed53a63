"""Feature files of every format: arrays own their memory, damaged files are refused in one line, names are resolved."""

import pickle

import h5py
import msgpack
import msgpack_numpy
import numpy as np
import pytest
from helpers.feature_files import refusal

from data_loader.readers import find_file, read_file, read_items, read_video_list
from utils.errors import InputError


def _write_h5(path, content):
    with h5py.File(path, "w") as file:
        for name, x in content.items():
            file[name] = x


@pytest.mark.parametrize(
    "write",
    [
        lambda folder, x: (folder / "x.pickle").write_bytes(pickle.dumps({"a": x, "b": x.T}, 5)),
        lambda folder, x: np.save(folder / "x.npy", x),
        lambda folder, x: _write_h5(folder / "x.h5", {"a": x}),
        lambda folder, x: (folder / "x.mp").write_bytes(msgpack.packb({"a": x, "b": x[:1]}, default=msgpack_numpy.encode)),
    ],
    ids=["pickle", "npy", "hdf5", "msgpack"],
)
def test_arrays_of_every_format_own_their_memory(tmp_path, write):
    """Shared memory would change with the file, or with other objects read from it."""
    write(tmp_path, np.arange(1200.0).reshape(3, 400))
    (path,) = tmp_path.iterdir()
    read = read_file(path)
    for found in read.values() if isinstance(read, dict) else [read]:
        assert type(found) is np.ndarray and found.flags.owndata and found.base is None


@pytest.mark.parametrize("suffix", [".pickle", ".pkl", ".npy", ".h5"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "folder"])
def test_damaged_files_are_refused_in_one_line(tmp_path, suffix, damage):
    path = tmp_path / f"x{suffix}"
    array = np.ones((50, 3))
    if suffix == ".npy":
        np.save(path, array)
    elif suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["a"] = array
    else:
        path.write_bytes(pickle.dumps({"a": array}))
    whole = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"cut": whole[:-100], "empty": b"", "text": b"<html>404 Not Found</html>\n"}[damage])
    assert "cannot be read" in refusal(path)


def test_exactly_one_file_of_a_known_format_is_found(tmp_path):
    for read, name, message in (
        (read_file, "features.csv", "unknown kind of file, expected one of .pickle, .pkl, .npy, .h5, .mp"),
        (read_file, "absent.npy", "not found"),
    ):
        (tmp_path / "features.csv").write_text("1,2\n")
        with pytest.raises(InputError, match=f"{name}: {message}"):
            read(tmp_path / name)
    with pytest.raises(InputError, match=r"rgb: not found, expected a file with one of the suffixes \.pickle"):
        find_file(tmp_path, "rgb")
    (tmp_path / "rgb.npy").touch()
    assert find_file(tmp_path, "rgb") == tmp_path / "rgb.npy"
    (tmp_path / "rgb.h5").touch()
    with pytest.raises(InputError, match=r"rgb: found rgb\.npy and rgb\.h5, expected one file"):
        find_file(tmp_path, "rgb")


def test_files_of_one_value_are_not_features(tmp_path):
    (tmp_path / "x.pickle").write_bytes(pickle.dumps(5))
    with pytest.raises(InputError, match="x.pickle: found a int, expected a dict from video name to array"):
        dict(read_items(tmp_path / "x.pickle", stream=False)[1])
    np.save(tmp_path / "x.npy", 5.0)
    with pytest.raises(InputError, match="x.npy: found one float64, expected an array with a row per video"):
        dict(read_items(tmp_path / "x.npy")[1])


def test_a_file_that_takes_more_memory_than_there_is_is_named(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise MemoryError

    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    monkeypatch.setattr("data_loader.readers.npy_file.load", fail)
    with pytest.raises(InputError, match="x.npy: cannot be read, it takes more memory than there is"):
        read_file(tmp_path / "x.npy")


def test_a_list_of_videos_is_a_file_of_names(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\), expected a list of video names"):
        read_video_list(tmp_path, str)
    (tmp_path / "list.txt").write_bytes(b"a\nb\0c\n")
    with pytest.raises(InputError, match=r"list.txt: 'b\\x00c' has a zero byte, expected a list of video names"):
        read_video_list(tmp_path / "list.txt", str)
