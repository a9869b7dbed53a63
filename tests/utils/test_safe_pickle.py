"""Arrays in pickles of every numpy and protocol are read, and none uses the memory of another object."""

import io
import pickle
import tracemalloc

import numpy as np
import pytest
from helpers.hostile import opcodes, read_shared_memory, shared_memory
from helpers.published_layouts.pickles import pickler
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.pickle_globals import Placeholder, RefusedError
from utils.safe_pickle import SafeUnpickler, check_extent

MEBI = 1 << 20
# Protocol and version of Python, 0 for that of today.
WRITERS = [*((protocol, 0) for protocol in range(6)), *((protocol, 3) for protocol in range(5)), (0, 2), (1, 2), (2, 2)]


def dumped(content, protocol, python):
    """Return a pickle as Python 2 or 3 with numpy 1 wrote it, or as today's library does."""
    if not python:
        return pickle.dumps(content, protocol)
    file = io.BytesIO()
    pickler(file, protocol, python).dump(content)
    return file.getvalue()


def read(data):
    return SafeUnpickler(io.BytesIO(data)).load()


def test_no_pickle_shares_memory():
    """The process would crash, or read other bytes, where freed memory is used; see also `tests/nightly/test_fuzz.py`."""
    assert read_shared_memory.problems_in_process(0) == []


def test_programs_that_share_no_memory_are_read():
    """Show that the programs below are refused for what they do, not for their form."""
    for data, expected in (
        (opcodes.items(shared_memory.MADE, opcodes.get(shared_memory.A)), 2 * [(100,)]),
        (opcodes.items(opcodes.frombuffer(opcodes.content(24), opcodes.dtype(), opcodes.shape(2, 3), "F")), [(2, 3)]),
        (opcodes.items(opcodes.frombuffer(opcodes.writable(24), opcodes.dtype(), opcodes.shape(6))), [(6,)]),
        (opcodes.items(opcodes.array(opcodes.shape(), opcodes.dtype(), opcodes.content(4), b"\x88")), [()]),
        (opcodes.items(opcodes.array(opcodes.shape(0, 7), opcodes.dtype(), opcodes.content(0))), [(0, 7)]),
        (opcodes.items(opcodes.array(opcodes.shape(3), opcodes.dtype("O8"), shared_memory.OBJECTS)), [(3,)]),
    ):
        assert [x.shape for x in read(data).values()] == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("view of an array that is set again", "an array whose content is of type ndarray"),
        ("array that is set twice", "a state for something that has none"),
        ("array that is set twice before anyone sees it", "an object whose state is set twice"),
        ("array that is set while it is duplicated", None),
        ("array of more bytes", "an array of 12 bytes, more or fewer than its shape says"),
        ("array of fewer bytes", "an array of 12 bytes, more or fewer than its shape says"),
        ("duplicate that is set again", "a state for something that has none"),
        ("bytes under two arrays", "the content of an array in another place"),
        ("state of two arrays", "the content of an array in another place"),
        ("buffer of an array", "a view of a buffer"),
        ("scalar of an array", "an array whose content is of type ndarray"),
        ("dtype that is set twice", "a state for something that has none"),
        ("item of an array that is set", "keys for something that is not a dict"),
        ("bytearray that grows under an array", "items for something that is not a list"),
        ("call of an array", "a call of something that is not a function"),
        ("extension", r"an extension \(code 1\)"),
    ],
)
def test_refusals_say_what_the_pickle_does(name, message):
    if message is None:
        assert isinstance(read(shared_memory.PROGRAMS[name])["v0"], Placeholder)  # it has no effect, and is refused later
        return
    with pytest.raises(RefusedError, match=message):
        read(shared_memory.PROGRAMS[name])


shapes = st.lists(st.integers(0, 5), max_size=3).map(tuple)
layouts = st.sampled_from(["C", "F", "transposed", "every second"])


@st.composite
def arrays(draw):
    """Draw an array of any type that is read, in any layout and byte order."""
    shape, layout = draw(shapes), draw(layouts)
    dtype = np.dtype(draw(st.sampled_from(["f2", "f4", "f8", "i1", "u2", "i8", "c8", "?", "U3", "S3", "O"])))
    if dtype.kind != "O":
        dtype = dtype.newbyteorder(draw(st.sampled_from("<>")))
    x = np.arange(int(np.prod(shape)) * 2).reshape(*shape, 2) if layout == "every second" else np.arange(int(np.prod(shape)))
    x = x[..., 1] if layout == "every second" else x.reshape(shape)
    x = x.astype(dtype)
    return {"F": np.asfortranarray, "transposed": np.transpose}.get(layout, np.asarray)(x)


@settings(deadline=None, max_examples=150)
@given(st.lists(arrays(), min_size=1, max_size=4), st.sampled_from(WRITERS))
def test_arrays_of_every_writer_are_read_and_own_their_bytes(content, writer):
    found = read(dumped(content, *writer))
    for x, expected in zip(found, content, strict=True):
        assert type(x) is np.ndarray and x.flags.owndata and x.base is None and x.flags.writeable
        assert x.dtype == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(x, expected)
    assert not any(np.shares_memory(x, y) for i, x in enumerate(found) for y in found[:i] if x is not y)


@pytest.mark.parametrize("writer", WRITERS)
def test_numbers_of_numpy_are_read(writer):
    content = [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("ab"), np.bytes_(b"ab")]
    found = read(dumped(content, *writer))
    assert found == content and list(map(type, found)) == list(map(type, content))


@pytest.mark.parametrize("writer", WRITERS)
def test_one_array_in_two_places_remains_one(writer):
    x = np.arange(1000.0)
    first, second, third = read(dumped([x, x, x.copy()], *writer))
    assert first is second and first is not third


@pytest.mark.parametrize("writer", [writer for writer in WRITERS if writer[0] >= 2])
def test_the_bytes_of_arrays_are_not_held_twice(writer):
    content = {f"v{i}": np.full(MEBI, i, np.uint8) for i in range(20)}
    file = io.BytesIO(dumped(content, *writer))
    tracemalloc.start()
    found = SafeUnpickler(file).load()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 20
    assert peak < 26 * MEBI  # of one array there is a copy or, from a text, several


@pytest.mark.parametrize(
    "again",
    [
        opcodes.array(opcodes.shape(2000), opcodes.dtype(), opcodes.get(shared_memory.A)),
        opcodes.SCALAR + opcodes.dtype("S8000") + opcodes.get(shared_memory.A) + b"\x86R",
        opcodes.RECONSTRUCT + opcodes.get(shared_memory.B) + opcodes.BUILD,
    ],
    ids=["array", "text", "state in a list"],
)
def test_content_is_not_used_over_and_over(again):
    """A large content that was numbered before that of another array; a few bytes per copy would fill the memory."""
    content = opcodes.content(8000) + opcodes.put(shared_memory.A)
    listed = b"](K\x01" + opcodes.shape(2000) + opcodes.dtype() + b"\x89" + opcodes.get(shared_memory.A) + b"e"
    other = opcodes.array(opcodes.shape(2000), opcodes.dtype(), opcodes.content(8000) + opcodes.put(shared_memory.C))
    with pytest.raises(RefusedError, match="in another place|unknown version"):
        read(opcodes.items(content, listed + opcodes.put(shared_memory.B), other, *[again] * 9))


def test_shared_containers_are_counted_each_time():
    check_extent({"a": [1, (2, {"b": 3})], "c": [0] * 1000})
    endless: list = []
    endless.append(endless)
    doubled: list = []
    for _ in range(60):
        doubled = [doubled, doubled]
    for value in (endless, doubled, [[0] * 1000] * 1000):
        with pytest.raises(RefusedError, match="containers of more than"):
            check_extent(value)
