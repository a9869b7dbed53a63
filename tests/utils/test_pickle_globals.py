"""Arrays and dtypes that a pickle describes: bytes are no addresses, and a state adds only the byte order."""

import io
import pickle

import numpy as np
import pytest
from helpers.hostile import opcodes

from utils.pickle_globals import RefusedError
from utils.safe_pickle import SafeUnpickler

OBJECTS = opcodes.dtype("O8")


def read(data):
    return SafeUnpickler(io.BytesIO(data)).load()


@pytest.mark.parametrize(
    "made",
    [
        opcodes.frombuffer(opcodes.content(8), OBJECTS, opcodes.shape(1)),
        opcodes.SCALAR + OBJECTS + opcodes.content(8) + b"\x86R",
    ],
    ids=["frombuffer", "scalar"],
)
def test_bytes_do_not_become_the_addresses_of_objects(made):
    with pytest.raises(RefusedError, match="an array of bytes without a dtype of numbers or texts"):
        read(opcodes.items(made).replace(b"A" * 8, bytes(8)))


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
def test_the_state_of_a_dtype_adds_only_the_byte_order(state):
    assert read(pickle.dumps(DType("f8", "<", None, None, None))) == np.dtype("f8")
    with pytest.raises(RefusedError, match="an array of records"):
        read(pickle.dumps(DType("f8", *state)))
