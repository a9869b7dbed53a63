"""What a pickle may promise, repeat and describe: each limit by the opcodes that would break it."""

import pickle
import struct

import numpy as np
import pytest
from helpers.hostile import opcodes

from utils import safe_pickle
from utils.pickle_globals import RefusedError
from utils.safe_pickle import SafeUnpickler

HUGE = struct.pack("<Q", 1 << 40)


def read(path, content):
    """Read a pickle from a file, whose reads make room for as much as they ask for, unlike those from memory."""
    path.write_bytes(content)
    with path.open("rb") as file:
        return SafeUnpickler(file).load()


@pytest.mark.parametrize("opcode", [pickle.BINBYTES8, pickle.BINUNICODE8, pickle.BYTEARRAY8, pickle.FRAME])
def test_no_room_is_made_for_bytes_that_a_pickle_only_promises(tmp_path, opcode):
    with pytest.raises(EOFError, match="1099511627776 bytes are promised, there are fewer"):
        read(tmp_path / "x", b"\x80\x05" + opcode + HUGE + b"short.")


@pytest.mark.parametrize(
    ("opcode", "units"),
    [(pickle.MEMOIZE, 1), (pickle.MARK, 1), (pickle.EMPTY_LIST, 1), (pickle.EMPTY_DICT, 1), (pickle.EMPTY_SET, 4)],
)
def test_objects_and_numbers_of_objects_are_counted(tmp_path, monkeypatch, opcode, units):
    """Each takes one byte of the file, and about 64 bytes of memory per unit."""
    monkeypatch.setattr(safe_pickle, "MIN_OBJECTS", 1000)
    few, many = 900 // units, 4000 // units
    read(tmp_path / "x", b"\x80\x04K\x01" + few * opcode + b"K\x01.")
    with pytest.raises(RefusedError, match="more containers than a file of its size has"):
        read(tmp_path / "x", b"\x80\x04K\x01" + many * opcode + b"K\x01.")


OBJECTS = opcodes.dtype("O8")


@pytest.mark.parametrize(
    "made",
    [
        opcodes.frombuffer(opcodes.content(8), OBJECTS, opcodes.shape(1)),
        opcodes.SCALAR + OBJECTS + opcodes.content(8) + b"\x86R",
    ],
    ids=["frombuffer", "scalar"],
)
def test_bytes_do_not_become_the_addresses_of_objects(tmp_path, made):
    with pytest.raises(RefusedError, match="an array of bytes without a dtype of numbers or texts"):
        read(tmp_path / "x", opcodes.items(made).replace(b"A" * 8, bytes(8)))


class DType:
    """Pickles as a dtype with another state: version, order, sub-array, names, fields."""

    def __init__(self, code, *state):
        self.reduced = np.dtype, (code, False, True), (3, *state, -1, -1, 0)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize(
    "state",
    [
        ("<", (np.dtype("f4"), (2,)), None, None),
        ("<", None, ("a",), None),
        ("<", None, None, {"a": (np.dtype("O"), 0)}),
    ],
    ids=["sub-array", "names", "fields"],
)
def test_the_state_of_a_dtype_adds_only_the_byte_order(tmp_path, state):
    assert read(tmp_path / "x", pickle.dumps(DType("f8", "<", None, None, None))) == np.dtype("f8")
    with pytest.raises(RefusedError, match="an array of records"):
        read(tmp_path / "x", pickle.dumps(DType("f8", *state)))
