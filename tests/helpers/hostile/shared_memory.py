"""Pickles that use the memory of one object in another, and then change or free it: a corpus, and random programs."""

import random

from helpers.hostile.opcodes import (
    APPEND,
    BUILD,
    DUP,
    FROMBUFFER,
    POP,
    READONLY,
    RECONSTRUCT,
    SCALAR,
    SETITEM,
    TUPLE1,
    array,
    content,
    dtype,
    dtype_state,
    frombuffer,
    get,
    items,
    put,
    shape,
    state,
    text,
    writable,
)

MAX_STEPS = 12


def floats(count: int) -> bytes:
    return array(shape(count), dtype(), content(4 * count))


def again(key: int, count: int = 1) -> bytes:
    """Set the state of an array a second time, with another shape, and drop it from the stack."""
    return get(key) + state(shape(count), dtype(), content(4 * count)) + BUILD + POP


A, B, C = 1, 2, 3
MADE = floats(100) + put(A)
LARGE = floats(5000) + put(A)
VIEW = frombuffer(get(A), dtype(), shape(100))
OBJECTS = b"](" + b"K\x01" * 3 + b"e" + put(B)
PROGRAMS: dict[str, bytes] = {
    "view of an array that is set again": items(MADE, VIEW, again(A) + b"N"),
    "the same within one item": items(MADE + POP + VIEW + again(A)),
    "view of a large array": items(LARGE, frombuffer(get(A), dtype(), shape(5000)), again(A) + b"N"),
    "view of a view": items(MADE, VIEW + put(B), frombuffer(get(B), dtype("u1"), shape(400)), again(A) + b"N"),
    "view in a tuple": items(MADE + POP + VIEW + TUPLE1 + put(B) + again(A)),
    "view that is set": items(MADE, VIEW + put(B), again(B, 3000) + b"N"),
    "view of an array without state": items(
        RECONSTRUCT + put(A), frombuffer(get(A), dtype("u1"), shape(0)), again(A, 200) + b"N"
    ),
    "view in another order": items(MADE, frombuffer(get(A), dtype("f4", ">"), shape(10, 10), "F"), again(A) + b"N"),
    "array that is set twice": items(MADE, again(A, 7) + get(A)),
    "array that is set while it is duplicated": items(
        RECONSTRUCT + DUP + put(A) + state(shape(3), dtype(), content(12)) + BUILD + POP
    ),
    "array that is set twice before anyone sees it": items(
        RECONSTRUCT + DUP + 2 * (state(shape(3), dtype(), content(12)) + BUILD + POP)
    ),
    "duplicate that is set again": items(MADE + DUP + state(shape(9), dtype(), content(36)) + BUILD + POP),
    "array as the content of an array": items(MADE, array(shape(100), dtype(), get(A)), again(A) + b"N"),
    "bytearray as the content of an array": items(
        writable(400) + put(A), array(shape(100), dtype(), get(A)), get(A) + b"K\x09a" + POP + b"N"
    ),
    "bytearray under two arrays": items(
        writable(4000) + put(A),
        frombuffer(get(A), dtype(), shape(1000)),
        frombuffer(get(A), dtype("i4"), shape(1000)),
    ),
    "bytearray that is changed under an array": items(
        writable(400) + put(A), frombuffer(get(A), dtype(), shape(100)), get(A) + b"K\x00K\x77s" + POP + b"N"
    ),
    "bytearray that grows under an array": items(
        writable(400) + put(A), frombuffer(get(A), dtype(), shape(100)), get(A) + b"(" + b"K\x09" * 99 + b"e" + POP + b"N"
    ),
    "bytes under two arrays": items(
        content(8000) + put(A), array(shape(2000), dtype(), get(A)), array(shape(2000), dtype(), get(A))
    ),
    "state of two arrays": items(
        state(shape(2000), dtype(), content(8000)) + put(A), RECONSTRUCT + get(A) + BUILD, RECONSTRUCT + get(A) + BUILD
    ),
    "buffer of an array": items(MADE, get(A) + READONLY + put(B), again(A) + b"N"),
    "buffer of a bytearray": items(writable(400) + READONLY + put(A), frombuffer(get(A), dtype(), shape(100))),
    "array of the buffer of an array": items(
        MADE, get(A) + READONLY + put(B), frombuffer(get(B), dtype(), shape(100)), again(A) + b"N"
    ),
    "buffer of the next file": items(b"\x97"),
    "scalar of an array": items(MADE, SCALAR + dtype() + get(A) + b"\x86R", again(A) + b"N"),
    "scalar of a bytearray": items(writable(4) + put(A), SCALAR + dtype() + get(A) + b"\x86R"),
    "scalar of objects": items(SCALAR + dtype("O8") + b"](K\x01e\x86R"),
    "scalar of fewer bytes": items(SCALAR + dtype("f8") + content(4) + b"\x86R"),
    "scalar whose state is set": items(SCALAR + dtype() + content(4) + b"\x86R" + content(4) + TUPLE1 + BUILD),
    "dtype that is set twice": items(dtype() + put(A) + dtype_state(">"), array(shape(3), get(A), content(12))),
    "dtype that is set under an array": items(
        dtype() + put(A), array(shape(3), get(A), content(12)), get(A) + dtype_state(">")
    ),
    "dtype without a state": items(b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R" + put(A), array(shape(3), get(A), content(12))),
    "array of fewer bytes": items(array(shape(300), dtype(), content(12))),
    "array of more bytes": items(array(shape(2), dtype(), content(12))),
    "view of fewer bytes": items(frombuffer(content(12), dtype(), shape(300))),
    "fewer texts": items(array(shape(30), dtype("U7"), content(12))),
    "columns first, fewer bytes": items(array(shape(30, 30), dtype(), content(12), b"\x88")),
    "size zero, set again": items(array(shape(0, 7), dtype(), content(0)) + put(A), again(A, 500) + get(A)),
    "state of version 0": items(RECONSTRUCT + b"(" + shape(3) + dtype() + b"\x89" + content(12) + b"t" + BUILD),
    "object array whose list grows": items(
        OBJECTS, array(shape(3), dtype("O8"), get(B)), get(B) + b"](K\x05e" + APPEND + POP + b"N"
    ),
    "object array that is set again": items(
        array(shape(3), dtype("O8"), OBJECTS) + put(A), get(A) + state(shape(1), dtype(), content(4)) + BUILD
    ),
    "object array within itself": items(RECONSTRUCT + put(A) + state(shape(1), dtype("O8"), b"](" + get(A) + b"e") + BUILD),
    "object array in its own list": items(
        b"]" + put(B) + b"K\x01" + APPEND, array(shape(1), dtype("O8"), get(B)) + put(A), get(B) + get(A) + APPEND
    ),
    "item of an array that is set": items(MADE, get(A) + b"K\x00G" + bytes(8) + SETITEM),
    "item of an object array that is set": items(
        array(shape(3), dtype("O8"), OBJECTS) + put(A), get(A) + b"K\x00" + get(A) + SETITEM
    ),
    "list within itself": items(b"]" + put(A) + get(A) + APPEND),
    "list that is emitted and grows": items(b"](K\x01K\x02e" + put(A), get(A) + b"K\x03" + APPEND),
    "dict that is emitted and grows": items(b"}" + put(A), get(A) + b"K\x01K\x02s"),
    "set that is emitted and grows": items(b"\x8f" + put(A), get(A) + b"(K\x01\x90"),
    "bytearray that is emitted and grows": items(writable(4) + put(A), get(A) + b"K\x03" + APPEND),
    "objects that are emitted and grow": items(
        b"]" + put(B) + POP + array(shape(1), dtype("O8"), b"](" + get(B) + b"e"), get(B) + b"K\x03" + APPEND
    ),
    "state of a list": items(b"]" + b"N}" + text("__class__") + b"Ns\x86" + BUILD),
    "state of a dict": items(b"}" + b"}" + text("a") + b"K\x01s" + BUILD),
    "attributes of an OrderedDict": items(b"ccollections\nOrderedDict\n)R}" + text("items") + b"K\x01s" + BUILD),
    "slots of an OrderedDict": items(
        b"ccollections\nOrderedDict\n)RN}" + text("__class__") + b"cnumpy\ndtype\ns\x86" + BUILD
    ),
    "INST of a function": items(b"(" + content(4) + b"ibuiltins\nbytearray\n"),
    "OBJ of a view": items(MADE, b"(" + FROMBUFFER + get(A) + dtype() + shape(100) + text("C") + b"o", again(A) + b"N"),
    "NEWOBJ of an array": items(b"cnumpy\nndarray\n" + shape(3) + TUPLE1 + b"\x81"),
    "NEWOBJ by an array": items(MADE + b")\x81"),
    "call of an array": items(MADE + b")R"),
    "extension": items(b"\x82\x01"),
    "dict below itself": (
        b"\x80\x05]" + put(A) + b"}" + put(B) + text("v") + get(A) + SETITEM + POP + b"K\x01a0" + get(B) + b"."
    ),
    "list below the dict": (
        b"\x80\x05}" + put(B) + b"]" + put(A) + get(B) + text("v") + get(A) + SETITEM + POP + b"K\x01a0."
    ),
    "list below a duplicate of the dict": (
        b"\x80\x05]" + put(A) + b"0}" + put(B) + DUP + text("v") + get(A) + SETITEM + POP + get(A) + b"K\x01a0."
    ),
    "list around the dict": (
        b"\x80\x05"
        + RECONSTRUCT
        + b"(K\x01)"
        + dtype("O8")
        + b"\x89]"
        + put(A)
        + b"}"
        + text("v")
        + get(A)
        + SETITEM
        + APPEND
        + b"t"
        + BUILD
        + b"."
    ),
    "items that are never set": b"\x80\x05}(" + text("v") + floats(2) + text("w") + b"1.",
    "items that are set elsewhere": b"\x80\x05}(" + text("v") + floats(2) + text("w") + b"l0.",
    "items in the dict from the start": b"(" + text("v") + b"K\x01d.",
}


def random_program(seed: int) -> bytes:
    """Return a dict of which each item makes an object, or does something to an older one."""
    rng = random.Random(seed)
    values: list[bytes] = []
    buffers = [content(8)]
    for key in range(rng.randrange(2, MAX_STEPS)):
        old = get(rng.randrange(key)) if key else content(8)
        count = rng.choice([0, 1, 2, 50, 600])
        of_dtype = dtype(rng.choice(["f4", "i4", "u4"]), rng.choice("<>="))
        bytes_ = rng.choice([content(4 * count), writable(4 * count), rng.choice(buffers), old])
        set_state = state(shape(count), of_dtype, bytes_, rng.choice([b"\x88", b"\x89"])) + BUILD
        makes = [
            RECONSTRUCT + state(shape(count), of_dtype, content(4 * count)) + BUILD,
            RECONSTRUCT + set_state,
            frombuffer(bytes_, of_dtype, shape(count), rng.choice("CF")),
            SCALAR + of_dtype + content(4) + b"\x86R",
            array(shape(2), dtype("O8"), b"](" + old + b"K\x01e"),
            b"](" + old + old + b"e",
            content(4 * count),
            writable(4 * count),
            old + TUPLE1,
        ]
        changes = [
            RECONSTRUCT,
            SCALAR + of_dtype + old + b"\x86R",
            array(shape(2), dtype("O8"), old),
            frombuffer(old, of_dtype, shape(count)),
            old + set_state,
            old + old + APPEND,
            old + b"K\x00" + old + SETITEM,
            old + READONLY,
            old + DUP + set_state + POP,
        ]
        value = rng.choice(makes if rng.random() < 0.9 else changes)
        if value[:1] in (content(4)[:1], writable(4)[:1]):
            buffers.append(get(key))
        values.append(value + put(key))
    return items(*values)
