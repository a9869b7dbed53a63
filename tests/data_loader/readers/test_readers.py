"""Feature files: the content that was written is read, and nothing in a file is executed."""

import builtins
import os
import pickle
import re
import struct

import h5py
import msgpack
import msgpack_numpy
import numpy as np
import pytest
from numpy._core import multiarray, numeric

from data_loader.readers import find_file, read_file, read_items
from data_loader.readers.pickle_file import UnstreamableError
from utils.errors import InputError

ARRAYS = {
    "half": np.arange(12, dtype=np.float16).reshape(3, 4),
    "single": np.linspace(-1, 1, 5, dtype=np.float32),
    "double": np.full((2, 1), 1e300),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "other byte order": np.arange(4, dtype=">f4"),
    "empty": np.zeros((0, 7), dtype=np.float32),
    "café/one": np.array([np.nan, np.inf]),
}


class Reduction:
    """An object that is pickled as a call of `function`, followed by setting a state if there is one."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


def python2_pickle(key, array, core):
    """Return the pickle of {key: array} for a 2-d array as Python 2 and its numpy wrote it, with text as byte strings."""
    data = array.tobytes()
    return b"".join(
        [
            b"\x80\x02}U" + bytes([len(key)]) + key,
            b"cnumpy." + core + b".multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R",
            b"(K\x01K" + bytes([array.shape[0]]) + b"K" + bytes([array.shape[1]]) + b"\x86",
            b"cnumpy\ndtype\nU\x02" + array.dtype.str[1:].encode() + b"K\x00K\x01\x87R",
            b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"T" + struct.pack("<i", len(data)) + data + b"tbs.",
        ]
    )


def by_stack_global(module, name):
    """Return a reference that old protocols cannot make: any text, also with dots and line ends."""
    texts = [b"\x8c" + bytes([len(text)]) + text for text in (module.encode(), name.encode())]
    return b"\x80\x04" + b"".join(texts) + b"\x93."


def refusal(path):
    """Return the message of the refusal of `path`, which names the file in one line; it is refused item by item, too."""
    with pytest.raises((InputError, UnstreamableError)):
        dict(read_items(path)[1])
    with pytest.raises(InputError) as caught:
        read_file(path)
    message = str(caught.value)
    assert path.name in message
    assert message.isprintable(), repr(message)
    return message


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_pickles_give_back_the_arrays(tmp_path, protocol):
    path = tmp_path / "x.pickle"
    content = {"arrays": ARRAYS, "list": [np.float32(1.5), (1, 2.5, "a", b"\xff", None, True, {3})]}
    path.write_bytes(pickle.dumps(content, protocol))
    read = read_file(path)
    assert read["list"] == content["list"]
    assert list(read["arrays"]) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read["arrays"][name], array)
        assert read["arrays"][name].dtype.newbyteorder("=") == array.dtype.newbyteorder("=")


@pytest.mark.parametrize("core", [b"core", b"_core"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_pickles_of_python_2_are_read_as_latin1(tmp_path, core, dtype):
    array = np.random.default_rng(0).normal(size=(2, 3)).astype(dtype)  # with bytes beyond ASCII
    path = tmp_path / "x.pkl"
    path.write_bytes(python2_pickle(b"caf\xe9", array, core))
    read = read_file(path)
    assert list(read) == ["café"]
    np.testing.assert_array_equal(read["café"], array, strict=True)


def test_npy_files_give_back_arrays_and_the_object_that_they_wrap(tmp_path):
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


def test_hdf5_data_sets_are_named_by_their_path(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name, array in ARRAYS.items():
            file[name] = array
    read = read_file(tmp_path / "x.h5")
    assert read.keys() == ARRAYS.keys()  # one of them in a group
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array)


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
def test_arrays_of_every_kind_of_file_own_their_bytes(tmp_path, write):
    """They do not change with the file, or with other objects from it."""
    write(tmp_path, np.arange(1200.0).reshape(3, 400))
    (path,) = tmp_path.iterdir()
    read = read_file(path)
    for found in read.values() if isinstance(read, dict) else [read]:
        assert type(found) is np.ndarray and found.flags.owndata and found.base is None


def _nested(command):
    return {"a": [np.ones(2), {"b": (Reduction(os.system, command),)}]}


def _as_array_type(command):
    return Reduction(multiarray._reconstruct, os.system, (command,), b"b")


@pytest.mark.parametrize("suffix", [".pickle", ".npy"])
@pytest.mark.parametrize(
    ("make", "culprit"),
    [
        (lambda command: Reduction(os.system, command), r"posix\.system"),
        (lambda command: Reduction(builtins.eval, f"__import__('os').system({command!r})"), r"builtins?(__)?\.eval"),
        (_nested, r"posix\.system"),
        (_as_array_type, r"posix\.system"),
        (lambda command: Reduction(multiarray._reconstruct, str, (command,), b"b"), r"builtins\.str|unicode"),
        (lambda command: Reduction(np.load, command), r"numpy(\.lib.*)?\.load"),
        (lambda command: Reduction(getattr, np.ndarray, "tofile"), r"builtins?(__)?\.getattr"),
    ],
    ids=["system", "eval", "nested", "array of functions", "array of texts", "numpy function", "getattr"],
)
def test_code_is_refused_by_file_and_name_and_does_not_run(tmp_path, monkeypatch, make, culprit, suffix):
    monkeypatch.chdir(tmp_path)
    content = make("touch marker")
    for protocol in (2, 4):
        path = tmp_path / f"evil{suffix}"
        data = pickle.dumps(content, protocol)
        if suffix == ".npy":
            np.save(path, np.array(None, dtype=object))
            data = path.read_bytes()[:128] + data
        path.write_bytes(data)
        assert re.search(culprit, refusal(path))
        assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("data", "culprit"),
    [
        (by_stack_global("numpy", "ndarray.tofile"), "ndarray.tofile"),
        (by_stack_global("builtins", "dict.fromkeys"), "dict.fromkeys"),
        (by_stack_global("os\nerror: fine", "sys\x1b[2Jtem"), "fine"),
        (b"(S'touch marker'\nios\nsystem\n.", "os.system"),
        (b"\x80\x02X\x01\x00\x00\x00aQ.", "persistent"),
        (b"\x80\x02\x82\x01.", "extension"),
    ],
    ids=["dotted", "method of a builtin", "line ends in the name", "INST", "persistent id", "extension code"],
)
def test_references_by_other_ways_are_refused_in_one_line(tmp_path, data, culprit):
    path = tmp_path / "evil.pkl"
    path.write_bytes(data)
    assert culprit in refusal(path)


ADDRESSES = b"A" * 8


def dtype_like(code, *state):
    """Return a dtype that claims to be another: order, sub-array, names, fields, size, alignment, flags."""
    return Reduction(np.dtype, code, False, True, state=(3, "|", *state))


def array_of(dtype):
    return Reduction(multiarray._reconstruct, np.ndarray, (0,), b"b", state=(1, (1,), dtype, False, ADDRESSES))


def object_array(shape, objects):
    """Return the pickle of an array of objects, with `shape` and `objects` as opcodes."""
    dtype = b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return b"\x80\x02}U\x01v" + array + b"(K\x01" + shape + dtype + b"\x89" + objects + b"tbs."


@pytest.mark.parametrize("suffix", [".pickle", ".npy"])
@pytest.mark.parametrize(
    ("shape", "objects"),
    [
        (b"K\xc8\x85", b"](K\x01e"),  # 200, of which one is in the list
        (b"K\x01\x85", b"](K\x01K\x02e"),
        (b")", b"]"),  # 0-d
        (b"K\x02\x85", b"U\x10" + b"A" * 16),
        (b"J\xff\xff\xff\xff\x85", b"]"),
        (b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86", b"](K\x01e"),
    ],
)
def test_arrays_of_more_or_fewer_objects_than_their_shape_are_refused(tmp_path, suffix, shape, objects):
    """numpy reads as many as the shape says, also memory beyond the list."""
    path = tmp_path / f"evil{suffix}"
    content = object_array(shape, objects)
    if suffix == ".npy":
        np.save(path, np.array(None, dtype=object))
        content = path.read_bytes()[:128] + content
    path.write_bytes(content)
    assert "refused, it holds an array of" in refusal(path)


def test_arrays_of_as_many_objects_as_their_shape_are_read(tmp_path):
    """This shows that the refusals above have the reason that they name."""
    (tmp_path / "x.pickle").write_bytes(object_array(b"K\x01\x85", b"](K\x07e"))
    assert read_file(tmp_path / "x.pickle")["v"].tolist() == [7]


@pytest.mark.parametrize(
    "content",
    [
        Reduction(np.ndarray, (1,), "O", ADDRESSES),
        array_of(dtype_like("O", None, None, None, -1, -1, 0)),
        Reduction(
            numeric._frombuffer, ADDRESSES, dtype_like("V8", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0), (1,), "C"
        ),
        Reduction(multiarray.scalar, dtype_like("V8", None, ("a",), {"a": (np.dtype("f8"), 2**30)}, 8, 1, 0), ADDRESSES),
    ],
    ids=["ndarray", "dtype without its flags", "field of objects", "field outside"],
)
def test_arrays_whose_bytes_would_be_used_as_addresses_are_refused(tmp_path, content):
    """To read an element of such an array follows a pointer that is in the file: a crash, or code in the file."""
    path = tmp_path / "evil.pickle"
    path.write_bytes(pickle.dumps(content, 2))
    message = refusal(path)
    assert "refused" in message or "cannot be read" in message


def test_a_pickle_cannot_change_the_functions_that_read_later_ones(tmp_path):
    """The opcode BUILD sets attributes of any object on the stack, also of a function that find_class returned."""
    path = tmp_path / "evil.pickle"
    before = numeric._frombuffer.__defaults__
    name = b"__defaults__"
    path.write_bytes(b"\x80\x02cnumpy._core.numeric\n_frombuffer\nN}U" + bytes([len(name)]) + name + b")s\x86b.")
    try:
        refusal(path)
        assert numeric._frombuffer.__defaults__ == before
    finally:
        numeric._frombuffer.__defaults__ = before


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
def test_hdf5_that_points_outside_its_file_is_refused(tmp_path, add):
    outside = tmp_path / "outside.h5"
    with h5py.File(outside, "w") as file:
        file["data"] = np.arange(4.0)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        add(file, outside)
    assert "data" in refusal(tmp_path / "x.h5").replace("data sets", "")


@pytest.mark.parametrize("suffix", [".pickle", ".pkl", ".npy", ".h5"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "folder"])
def test_damaged_files_are_named_in_one_line(tmp_path, suffix, damage):
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


def test_one_file_of_a_known_kind_is_found(tmp_path):
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
