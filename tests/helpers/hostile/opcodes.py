"""Pickles of arrays, assembled from opcodes."""

import struct

# The content of all arrays in the pickles: any other byte in a result is from the memory of another object.
BYTE = b"\x11"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
FROMBUFFER = b"cnumpy.core.numeric\n_frombuffer\n"
SCALAR = b"cnumpy.core.multiarray\nscalar\n"
APPEND, BUILD, DUP, POP, REDUCE, SETITEM, TUPLE1, READONLY = b"a", b"b", b"2", b"0", b"R", b"s", b"\x85", b"\x98"


def text(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode()


def put(key: int) -> bytes:
    return b"q" + bytes([key])


def get(key: int) -> bytes:
    return b"h" + bytes([key])


def shape(*sizes: int) -> bytes:
    return b"(" + b"".join(b"M" + struct.pack("<H", n) for n in sizes) + b"t"


def content(size: int) -> bytes:
    return b"B" + struct.pack("<I", size) + BYTE * size


def writable(size: int) -> bytes:
    return b"\x96" + struct.pack("<Q", size) + BYTE * size


def dtype_state(order: str) -> bytes:
    return b"(K\x03" + text(order) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def dtype(code: str = "f4", order: str = "<") -> bytes:
    return b"cnumpy\ndtype\n" + text(code) + b"K\x00K\x01\x87R" + dtype_state("|" if code[0] == "O" else order)


def state(of_shape: bytes, of_dtype: bytes, of_content: bytes, fortran: bytes = b"\x89") -> bytes:
    return b"(K\x01" + of_shape + of_dtype + fortran + of_content + b"t"


def array(of_shape: bytes, of_dtype: bytes, of_content: bytes, fortran: bytes = b"\x89") -> bytes:
    return RECONSTRUCT + state(of_shape, of_dtype, of_content, fortran) + BUILD


def frombuffer(buffer: bytes, of_dtype: bytes, of_shape: bytes, order: str = "C") -> bytes:
    return FROMBUFFER + b"(" + buffer + of_dtype + of_shape + text(order) + b"tR"


def items(*values: bytes) -> bytes:
    """Return the pickle of a dict with these values, each given by opcodes that leave it on the stack."""
    return b"\x80\x05}" + b"".join(text(f"v{i}") + value + SETITEM for i, value in enumerate(values)) + b"."
