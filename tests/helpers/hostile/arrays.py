"""Files .npy, .h5 and .mp that refer to other files, or that take more memory than there is."""

import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
from helpers.hostile.pickles import MILLION, OPCODES

GIB = 1 << 30


def npy(header: str, content: bytes = b"", version: int = 1) -> bytes:
    """Return a file .npy with any header."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + struct.pack("<BB" + ("H" if version == 1 else "I"), version, 0, len(text)) + text + content


def of(descr: str, shape: str, content: bytes = b"", **options) -> bytes:
    """Return a file .npy with a dtype and a shape as text."""
    return npy(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}", content, **options)


def _long_header(path: Path, command: str) -> None:
    with path.open("wb") as file:
        file.write(b"\x93NUMPY\x02\x00" + struct.pack("<I", 3 * GIB))
        file.truncate(3 * GIB + 100)


def _written(content: bytes):
    return lambda path, command: path.write_bytes(content)


NPY = {
    "object array that executes": lambda path, command: path.write_bytes(of("'|O'", "()") + OPCODES["INST"](command)),
    "shape of 2**62": _written(of("'<f4'", "(2**62,)".replace("2**62", str(2**62)), bytes(12))),
    "shape that overflows": _written(of("'<f4'", f"({2**33}, {2**33})", bytes(12))),
    "shape that overflows to what is there": _written(of("'<f4'", f"({2**62 + 3},)", bytes(12))),
    "rows of nothing": _written(of("'<f4'", f"({2**40}, 0)")),
    "texts of nothing": _written(of("'|S0'", f"({2**40},)")),
    "negative shape": _written(of("'<f4'", "(-3,)", bytes(12))),
    "negative shape of objects": _written(of("'|O'", "(-1,)", b"\x80\x02].")),
    "shape of booleans": _written(of("'<f4'", "(True, False)", bytes(12))),
    "shape of texts": _written(of("'<f4'", "('3',)", bytes(12))),
    "shape of a million numbers": _written(of("'<f4'", "(" + "1," * 4000 + ")", bytes(4))),
    "long integers": _written(of("'<f4'", "(" + "9" * 9000 + ",)", bytes(4))),
    "records with objects": _written(of("[('a', '|O'), ('b', '<f4')]", "(1,)", b"A" * 12)),
    "void": _written(of("'|V8'", "(1,)", b"A" * 8)),
    "dates": _written(of("'<M8[s]'", "(1, 3)", bytes(24))),
    "times": _written(of("'<m8[s]'", "(1, 3)", bytes(24))),
    "letters that are none": _written(of("'<U1'", "(1,)", b"\xff" * 4)),
    "a size of a dtype": _written(of("'<U999999999'", "(1,)", bytes(12))),
    "dtype that is none": _written(of("'; import os'", "(1,)", bytes(12))),
    "header that is code": lambda path, command: path.write_bytes(npy(f"__import__('os').system({command!r})")),
    "header of brackets": _written(npy("(" * 9000)),
    "header of signs": _written(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "-" * 9000 + "1,)}")),
    "header of a megabyte": _written(npy("{" + " " * MILLION, version=2)),
    "header of 3 GiB": _long_header,
    "version 9": _written(b"\x93NUMPY\x09\x00" + bytes(100)),
}


def h5(fill):
    """Return a function that writes a file .h5 with the content that `fill` adds."""

    def write(path: Path, command: str) -> None:
        outside = path.parent / "outside.h5"
        with h5py.File(outside, "w") as file:
            file["data"] = np.ones((1, 3))
        with h5py.File(path, "w") as file:
            fill(file, outside)

    return write


def _virtual(file, outside):
    layout = h5py.VirtualLayout((1, 3), "f8")
    layout[:] = h5py.VirtualSource(str(outside), "data", (1, 3))
    file.create_virtual_dataset("v", layout)


def _cycle(file, outside):
    group = file.create_group("a")
    group["itself"] = group


def _doubled(file, outside):
    group = file.create_group("a")
    for _ in range(40):
        above = file.create_group(f"b{_}")
        above["left"] = above["right"] = group
        group = above


def _chunk_of_zeros(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def _zeros(file, outside):
    """Add 6 GiB of zeros in chunks of 64 MiB, which take 6 MiB in the file."""
    packed, rows = _chunk_of_zeros(64 << 20), 1 << 20
    data = file.create_dataset("v", (100 * rows, 16), "f4", chunks=(rows, 16), compression="gzip")
    for i in range(100):
        data.id.write_direct_chunk((i * rows, 0), packed)


def _chunk_that_swells(file, outside):
    """Add a chunk of 12 bytes by its shape, which unpacks to 2 GiB."""
    data = file.create_dataset("v", (1, 3), "f4", chunks=(1, 3), compression="gzip")
    packer = zlib.compressobj(1)
    block = bytes(1 << 24)
    packed = b"".join([*(packer.compress(block) for _ in range(128)), packer.flush()])
    data.id.write_direct_chunk((0, 0), packed)


def _packed_twice(file, outside):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((1, 3))
    for _ in range(3):
        properties.set_deflate(9)
    space = h5py.h5s.create_simple((1, 3))
    data = h5py.h5d.create(file.id, b"v", h5py.h5t.IEEE_F32LE, space, properties)
    inner = zlib.compress(zlib.compress(zlib.compress(bytes(12))))
    data.write_direct_chunk((0, 0), inner)


def _deep(file, outside):
    group = file
    for _ in range(3000):
        group = group.create_group("g")


def _references(file, outside):
    file["a"] = np.ones((1, 3))
    file.create_dataset("v", data=np.array([file["a"].ref]), dtype=h5py.ref_dtype)


def _regions(file, outside):
    file["a"] = np.ones((1, 3))
    file.create_dataset("v", data=np.array([file["a"].regionref[0]]), dtype=h5py.regionref_dtype)


def _rows_of_nothing(file, outside):
    file.create_dataset("v", (2**40, 0), "f4")


H5 = {
    "external link": h5(lambda file, outside: file.__setitem__("v", h5py.ExternalLink(outside, "/data"))),
    "external link to a device": h5(lambda file, outside: file.__setitem__("v", h5py.ExternalLink("/dev/zero", "/data"))),
    "soft link": h5(lambda file, outside: file.__setitem__("v", h5py.SoftLink("/elsewhere"))),
    "soft links in a loop": h5(
        lambda file, outside: (
            file.update({"v": h5py.SoftLink("/w"), "w": h5py.SoftLink("/v")}) if hasattr(file, "update") else None
        )
    ),
    "external storage": h5(lambda file, outside: file.create_dataset("v", (1, 3), "u1", external=[(str(outside), 0, 3)])),
    "passwords": h5(lambda file, outside: file.create_dataset("v", (1, 3), "u1", external=[("/etc/passwd", 0, 3)])),
    "virtual": h5(_virtual),
    "group in itself": h5(_cycle),
    "groups doubled 40 times": h5(_doubled),
    "groups in groups": h5(_deep),
    "rows of nothing": h5(_rows_of_nothing),
    "data set of 4 TB without data": h5(lambda file, outside: file.create_dataset("v", (10**12,), "f4", chunks=(1 << 20,))),
    "data set of 8 GB without data": h5(lambda file, outside: file.create_dataset("v", (2 * 10**9,), "f4")),
    "chunk of 3 GB": h5(
        lambda file, outside: file.create_dataset("v", (1, 3), "f4", maxshape=(None, 3), chunks=(1 << 28, 3))
    ),
    "6 GiB of zeros": h5(_zeros),
    "chunk that swells": h5(_chunk_that_swells),
    "packed three times": h5(_packed_twice),
    "references": h5(_references),
    "references to regions": h5(_regions),
    "arrays of any length": h5(
        lambda file, outside: file.create_dataset("v", (1,), dtype=h5py.vlen_dtype("f4")).__setitem__(0, np.ones(3))
    ),
    "records": h5(lambda file, outside: file.create_dataset("v", (1,), dtype=[("a", "f4"), ("b", "f4")])),
    "dates": h5(lambda file, outside: file.create_dataset("v", (1, 3), dtype=h5py.opaque_dtype("M8[s]"))),
    "a type by name": h5(lambda file, outside: file.__setitem__("v", np.dtype("f4"))),
    "no content": h5(lambda file, outside: file.create_dataset("v", dtype="f4")),
}


def _nd(dtype: bytes, shape: bytes, data: bytes, kind: bytes = b"\xc4\x00") -> bytes:
    """Return an array as msgpack-numpy encodes it."""
    fields = [(b"nd", b"\xc3"), (b"type", b"\xa9"[:0] + bytes([0xA0 + len(dtype)]) + dtype), (b"kind", kind)]
    fields += [(b"shape", shape), (b"data", data)]
    return b"\x85" + b"".join(b"\xc4" + bytes([len(key)]) + key + value for key, value in fields)


def mp(value: bytes, name: bytes = b"\xa1v") -> object:
    """Return a function that writes a file .mp with a map of one item."""
    return _written(b"\x81" + name + value)


MP = {
    "map of 2**32": _written(b"\xdf\xff\xff\xff\xff\xa1v\x93\x01\x02\x03"),
    "list of 2**31": mp(b"\xdd\x7f\xff\xff\xf0\x01"),
    "list of 2**31 in another, 500 times": mp(b"\xdd\x7f\xff\xff\xf0" * 500),
    "map of 2**31 in an item": mp(b"\xdf\x7f\xff\xff\xf0\x01"),
    "bytes of 2**31": mp(b"\xc6\x7f\xff\xff\xf0ab"),
    "text of 2**31": mp(b"\xdb\x7f\xff\xff\xf0ab"),
    "nested lists": mp(b"\x91" * MILLION + b"\x01"),
    "nested lists, 900": mp(b"\x91" * 900 + b"\x01"),
    "nested lists as a name": mp(b"\x01", b"\x91" * 900 + b"\x01"),
    "list as a key": mp(b"\x81\x91\x01\x01"),
    "an object of another program": mp(b"\xc7\x05\x01abcde"),
    "objects": mp(_nd(b"|O", b"\x91\x01", b"\xc4\x08" + b"A" * 8, kind=b"\xc4\x01O")),
    "objects without saying so": mp(_nd(b"|O", b"\x91\x01", b"\xc4\x08" + b"A" * 8)),
    "records of objects": mp(_nd(b"f4,O", b"\x91\x01", b"\xc4\x0c" + b"A" * 12)),
    "void": mp(_nd(b"|V8", b"\x91\x01", b"\xc4\x08" + b"A" * 8)),
    "shape of 2**40": mp(_nd(b"<f4", b"\x91\xcf" + struct.pack(">Q", 2**40), b"\xc4\x04AAAA")),
    "rows of nothing": mp(_nd(b"<f4", b"\x92\xcf" + struct.pack(">Q", 2**40) + b"\x00", b"\xc4\x00")),
    "negative shape": mp(_nd(b"<f4", b"\x92\xff\xfd", b"\xc4\x04AAAA")),
    "letters that are none": mp(_nd(b"<U1", b"\x91\x01", b"\xc4\x04\xff\xff\xff\xff")),
    "texts of nothing": mp(_nd(b"|S0", b"\x91\x01", b"\xc4\x00")),
    "code for a dtype": mp(_nd(b"__import__('os')", b"\x91\x01", b"\xc4\x04AAAA")),
    "an array as the content of an array": mp(_nd(b"<f4", b"\x91\x01", _nd(b"<f4", b"\x91\x01", b"\xc4\x04AAAA"))),
    "no map": _written(b"\x93\x01\x02\x03"),
}
