"""Pickles that call functions or use bytes as addresses are refused, and nothing in them is executed."""

import builtins
import os
import pickle
import re

import numpy as np
import pytest
from helpers.feature_files import Reduction, refusal
from numpy._core import multiarray, numeric

from data_loader.readers import read_file


def by_stack_global(module, name):
    """Return a reference that old protocols cannot make: any text, also with dots and line ends."""
    texts = [b"\x8c" + bytes([len(text)]) + text for text in (module.encode(), name.encode())]
    return b"\x80\x04" + b"".join(texts) + b"\x93."


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
def test_calls_of_functions_are_refused_and_not_executed(tmp_path, monkeypatch, make, culprit, suffix):
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
def test_other_kinds_of_references_are_refused_in_one_line(tmp_path, data, culprit):
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
    """numpy would read as many as the shape says, beyond the end of the list."""
    path = tmp_path / f"evil{suffix}"
    content = object_array(shape, objects)
    if suffix == ".npy":
        np.save(path, np.array(None, dtype=object))
        content = path.read_bytes()[:128] + content
    path.write_bytes(content)
    assert "refused, it holds an array of" in refusal(path)


def test_arrays_of_as_many_objects_as_their_shape_are_read(tmp_path):
    """The refusals above are due to the number of objects only."""
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
    """Reading an element of such an array would follow a pointer from the file."""
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
