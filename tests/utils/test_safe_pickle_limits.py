"""Limits on pickles: promised sizes, and numbers of objects, each exceeded by opcodes."""

import pickle
import struct

import pytest

from utils import safe_pickle
from utils.pickle_globals import RefusedError
from utils.safe_pickle import SafeUnpickler

HUGE = struct.pack("<Q", 1 << 40)


def read(path, content):
    """Read a pickle from a file: unlike reads from memory, reads from a file allocate what they ask for."""
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
    """Each opcode takes one byte of the file and allocates about 64 bytes per unit."""
    monkeypatch.setattr(safe_pickle, "MIN_OBJECTS", 1000)
    few, many = 900 // units, 4000 // units
    read(tmp_path / "x", b"\x80\x04K\x01" + few * opcode + b"K\x01.")
    with pytest.raises(RefusedError, match="more containers than a file of its size has"):
        read(tmp_path / "x", b"\x80\x04K\x01" + many * opcode + b"K\x01.")
