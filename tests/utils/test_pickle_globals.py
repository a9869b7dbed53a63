"""Functions and dtypes that a pickle may name: their results, and arguments that are refused."""

import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from helpers.feature_files import Reduction
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Reduction(np.dtype, "f8,f8", False, True)), "an array of records"),
        (pickle.dumps(DType("V8", "|", None, None, None)), r"an array of \|V8"),
        (pickle.dumps(DType("M8", "<", None, None, None)), "an array of datetime64"),
        (pickle.dumps(DType("f8", None, None, None, None)), "an array without a byte order"),
        (
            opcodes.items(opcodes.frombuffer(opcodes.content(8), opcodes.dtype(), opcodes.shape(2), "K")),
            "an array of items in an unknown order",
        ),
        (pickle.dumps(Reduction(np._core.multiarray._reconstruct, bytes, (0,), b"b")), "an array that is no numpy.ndarray"),
        (pickle.dumps({(1, 2): 3}), "a dict or set with other keys"),
        (pickle.dumps({(1, 2)}, 3), "a dict or set with other keys"),
        (pickle.dumps(frozenset({(1, 2)}), 4), "a dict or set with other keys"),
        (pickle.dumps(Reduction(OrderedDict, [(1, 2, 3)])), "an OrderedDict of other things than keys and values"),
        (pickle.dumps(Reduction(bytes, 5)), "bytes of something else than a text in latin1"),
        (pickle.dumps(Reduction(bytearray, "a", "utf-8")), "bytearray of something else than a text in latin1"),
        (pickle.dumps(Reduction(complex, "1", "2")), "a complex number of other things than two floats"),
        (pickle.dumps(1 << 8 * 300), "an integer of thousands of digits"),
        (b"\x80\x04N)}\x92.", "an object made with keywords"),
        (b"\x80\x04](K\x01\x90.", "members for something that is not a set"),
    ],
    ids=lambda x: x if isinstance(x, str) else "pickle",
)
def test_other_arguments_and_keys_are_refused(content, message):
    with pytest.raises(RefusedError, match=message):
        read(content)


@pytest.mark.parametrize("protocol", range(6))
def test_containers_and_numbers_of_python_are_read(protocol):
    content = {"complex": 1 + 2j, "set": {1, "a"}, "frozen": frozenset({2}), "bytes": b"\xff", "array": bytearray(b"\xfe")}
    content["ordered"] = OrderedDict([("b", 1), ("a", 2)])
    found = read(pickle.dumps(content, protocol))
    assert found == content and list(map(type, found.values())) == list(map(type, content.values()))


def test_an_array_whose_axes_are_in_another_order_is_read():
    """Numpy pickles such arrays by the order of their axes."""
    x = np.arange(24, dtype=np.float32)
    pickled = Reduction(np._core.numeric._frombuffer, bytearray(x), x.dtype, (2, 3, 4), "K", (1, 2, 0))
    np.testing.assert_array_equal(read(pickle.dumps(pickled)), x.reshape(2, 3, 4).transpose(1, 2, 0), strict=True)
