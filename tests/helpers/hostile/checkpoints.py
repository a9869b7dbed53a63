"""Checkpoints of today's and of old formats that execute code, or that take more memory than there is."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from helpers.hostile.pickles import MILLION, OBJECTS, OPCODES, Call, array

from base.legacy_checkpoint import MAGIC, VERSION

GIB = 1 << 30
WEIGHTS = {"w": torch.arange(3.0)}
STATE = {"arch": "CENet", "epoch": 1, "seed": 1, "state_dict": WEIGHTS, "config": {"a": 1}, "config_file": "c.json"}


def zipped(pickled: bytes, *, folder="archive", storages=(("0", bytes(12)),), compression=zipfile.ZIP_STORED) -> bytes:
    """Return a checkpoint of today's format with this pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        file.writestr(f"{folder}/data.pkl", pickled)
        file.writestr(f"{folder}/byteorder", b"little")
        for key, content in storages:
            file.writestr(f"{folder}/data/{key}", content)
        file.writestr(f"{folder}/version", b"3\n")
    return buffer.getvalue()


def old(content: bytes, version: bytes = pickle.dumps(VERSION, 2), keys: bytes = pickle.dumps([], 2)) -> bytes:
    """Return a checkpoint of the format before torch 1.6 with these pickles for content, version and keys of storages."""
    machine = {"little_endian": True, "protocol_version": 1001, "type_sizes": {}}
    return pickle.dumps(MAGIC, 2) + version + pickle.dumps(machine, 2) + content + keys


def _in_zip(make):
    return lambda path, command: path.write_bytes(zipped(make(command)))


def _in_old(make):
    return lambda path, command: path.write_bytes(old(make(command)))


def _in_release(make):
    """Return a function that writes a zip whose pickle first names the class by which those of a release are told."""
    return lambda path, command: path.write_bytes(zipped(b"cparse_config\nConfigParser\n0" + make(command)))


def _saved(**changes):
    return lambda path, command: torch.save({**STATE, **changes}, path)


def changed_state(key: str, value: bytes) -> bytes:
    """Return the pickle of a state with one value given by opcodes."""
    rest = pickle.dumps({name: part for name, part in (STATE | {"state_dict": {}}).items() if name != key}, protocol=2)
    return b"\x80\x02" + rest[2:-1] + b"U" + bytes([len(key)]) + key.encode() + value + b"s."


def reference(
    *, kind: bytes = b"U\x07storage", storage: bytes = b"ctorch\nFloatStorage\n", key: bytes = b"U\x010", end: bytes
) -> bytes:
    """Return the opcodes of a storage of 3 floats."""
    return b"(" + kind + storage + key + b"U\x03cpuK\x03" + end + b"tQ"


def rebuilt(storage: bytes) -> bytes:
    """Return the opcodes of a tensor of 3 floats of a storage."""
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x03\x85K\x01\x85\x89)tR"


def tensor(count: int, size: int, stride: int = 1, offset: int = 0) -> bytes:
    """Return the pickle of a state with a tensor of a storage "0" of `count` floats."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu\x8a\x08"
    storage += struct.pack("<q", count) + b"tQ"
    numbers = [b"\x8a\x08" + struct.pack("<q", number) for number in (offset, size, stride)]
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + numbers[0] + numbers[1] + b"\x85" + numbers[2] + b"\x85"
    made += b"\x89ccollections\nOrderedDict\n)RtR"
    rest = pickle.dumps({**STATE, "state_dict": {}}, protocol=2)[2:-1]
    return b"\x80\x02" + rest + b"X\x0a\x00\x00\x00state_dict}X\x01\x00\x00\x00w" + made + b"ss."


def _zip_bomb(path: Path, command: str) -> None:
    """Write a pickle of 2 GiB of zeros, which takes 2 MiB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("archive/data.pkl", "w", force_zip64=True) as part:
            for _ in range(128):
                part.write(bytes(1 << 24))
        file.writestr("archive/version", b"3\n")
        file.writestr("archive/byteorder", b"little")


def _overlapping(path: Path, command: str) -> None:
    """Write a directory that refers to the bytes of one storage a thousand times."""
    content = zipped(pickle.dumps(STATE | {"state_dict": {}}, protocol=2), storages=[("0", bytes(MILLION))])
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        (entry,) = [entry for entry in file.infolist() if entry.filename.endswith("data/0")]
    start = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    name = b"archive/data/%04d"
    extra = b"".join(
        struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, entry.CRC, MILLION, MILLION, 17, 0, 0, 0, 0, 0,
            entry.header_offset,
        )
        + name % i
        for i in range(1000)
    )  # fmt: skip
    directory = content[start:end] + extra
    number = struct.unpack("<H", content[end + 10 : end + 12])[0] + 1000
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, number, number, len(directory), start, 0)
    path.write_bytes(content[:start] + directory + tail)


def _tar(path: Path, command: str) -> None:
    """Write the format before torch 0.1.10."""
    with tarfile.open(path, "w") as tar:
        for name, content in (
            ("sys_info", pickle.dumps({"little_endian": True})),
            ("pickle", pickle.dumps(Call(os.system, command), 2)),
            ("storages", pickle.dumps(0)),
            ("../../pwned", b"pwned"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def _cut(path: Path, command: str) -> None:
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-200])


def _script(path: Path, command: str) -> None:
    path.write_bytes(zipped(pickle.dumps(STATE | {"state_dict": {}}, 2), storages=[("0", b"")]))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("archive/constants.pkl", b"\x80\x02).")
        file.writestr("archive/code/__torch__.py", b"import os")


def _nested(depth: int):
    config = {}
    for _ in range(depth):
        config = {"a": config}
    return config


def _promised_by_torch(call: bytes):
    """Return a function that writes a state whose weights are the result of a function that torch allows."""
    rest = pickle.dumps({**STATE, "state_dict": {}}, protocol=2)[2:-1]
    content = b"\x80\x02" + rest + b"X\x0a\x00\x00\x00state_dict}X\x01\x00\x00\x00w" + call + b"ss."
    return lambda path, command: path.write_bytes(zipped(content))


def _number(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


SHAPES = {
    "more floats than its storage": tensor(3, 2**40),
    "storage of 2**40": tensor(2**40, 3),
    "storage of a negative size": tensor(-3, 3),
    "offset outside": tensor(3, 3, offset=2**40),
    "negative stride": tensor(3, 3, stride=-1),
    "negative size": tensor(3, -3),
}
NESTED = b")" + b"\x85" * MILLION
DOUBLED = b"](]q\x01" + b"](h\x01h\x01eq\x01" * 64 + b"e"  # 2**64 leaves; torch does not read DUP and POP


def _contents(end: bytes) -> dict[str, bytes]:
    """Return states with parts that a reader hashes, compares, prints or visits.

    Args:
        end: the opcodes at the end of a reference to a storage.
    """
    return {
        "storage of a kind of doubled lists": changed_state("values", reference(kind=DOUBLED, end=end)),
        "storage of a type of nested tuples": changed_state("values", reference(storage=NESTED, end=end)),
        "storage with a key of nested tuples": changed_state("values", reference(key=NESTED, end=end)),
        "storage with a key of doubled lists": changed_state("values", reference(key=DOUBLED, end=end)),
        "tensor whose state is set": changed_state(
            "values", rebuilt(reference(end=end)) + b"q\x01(h\x01K\x00M\xff\xff\x85K\x01\x85tb"
        ),
        "tensor of an array": changed_state("values", rebuilt(array(b"u1", b"K\x03\x85", b"C\x03abc"))),
        "numbers of a tensor that are set": changed_state("values", reference(end=end) + b"K\x00G" + bytes(8) + b"s"),
        "config of doubled lists": changed_state("config", b"}U\x01a" + DOUBLED + b"s"),
        "config within itself": changed_state("config", b"}q\x01U\x01ah\x01s"),
        "config of nested lists": changed_state("config", b"}U\x01a" + b"]" * 5000 + b"a" * 4999 + b"s"),
        "config of a path without parts": changed_state("config", b"}U\x01acpathlib\nPosixPath\n)\x81K\x07bs"),
        "config whose class is set": changed_state("config", b"cparse_config\nConfigParser\n)\x81N}U\x09__class__Ns\x86b"),
        "weights of a name of doubled lists": changed_state("state_dict", b"}U\x01w" + DOUBLED + b"s"),
    }


# Those of today's format.
PARTS = {
    "steps of doubled lists": changed_state("begun", DOUBLED),
    "versions of doubled lists": changed_state("environment", DOUBLED),
    "value of 600 digits": changed_state("values", b"}U\x01a\x8a\xff" + b"\x7f" * 255 + b"s"),
}
_SKIPPED = ("array under a million names", "sets", "marks")  # their limit depends on the size of the file

CHECKPOINTS = {
    **{
        f"{name}, {form}": wrap(lambda command, make=make: pickle.dumps(STATE | {"values": make(command)}, 2))
        for name, make in OBJECTS.items()
        for form, wrap in (("zip", _in_zip), ("old", _in_old), ("release", _in_release))
    },
    **{
        f"{name}, {form}": wrap(make)
        for name, make in OPCODES.items()
        if name not in _SKIPPED
        for form, wrap in (("zip", _in_zip), ("old", _in_old), ("release", _in_release))
    },
    **{f"{name}, zip": _in_zip(lambda command, content=content: content) for name, content in SHAPES.items()},
    **{f"{name}, release": _in_release(lambda command, content=content: content) for name, content in SHAPES.items()},
    **{f"{name}, old": _in_old(lambda command, content=content: content) for name, content in SHAPES.items()},
    **{f"{name}, zip": _in_zip(lambda command, content=content: content) for name, content in _contents(b"").items()},
    **{
        f"{name}, release": _in_release(lambda command, content=content: content) for name, content in _contents(b"").items()
    },
    **{f"{name}, zip": _in_zip(lambda command, content=content: content) for name, content in PARTS.items()},
    **{f"{name}, old": _in_old(lambda command, content=content: content) for name, content in _contents(b"N").items()},
    "version of doubled lists, old": lambda path, command: path.write_bytes(
        old(changed_state("values", b"N"), version=b"\x80\x02" + DOUBLED + b".")
    ),
    "keys of nested tuples, old": lambda path, command: path.write_bytes(
        old(changed_state("values", reference(end=b"N")), keys=b"\x80\x02]" + NESTED + b"a.")
    ),
    "an array alone": lambda path, command: path.write_bytes(pickle.dumps(np.zeros(3), 2)),
    "a pickle alone": lambda path, command: path.write_bytes(pickle.dumps(Call(os.system, command), 2)),
    "nested tuples alone": lambda path, command: path.write_bytes(OPCODES["nested tuples as a name"](command)),
    "tar": _tar,
    "script": _script,
    "cut": _cut,
    "zip bomb": _zip_bomb,
    "members that overlap": _overlapping,
    "absolute names": lambda path, command: path.write_bytes(
        zipped(pickle.dumps(Call(os.system, command), 2), folder="/tmp/archive")
    ),
    "names that lead out": lambda path, command: path.write_bytes(
        zipped(pickle.dumps(Call(os.system, command), 2), folder="../../archive")
    ),
    "storage that is packed": lambda path, command: path.write_bytes(
        zipped(tensor(GIB >> 2, 3), storages=[("0", bytes(GIB))], compression=zipfile.ZIP_DEFLATED)
    ),
    "weights without data": _promised_by_torch(
        b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\n" + _number(3) + b"\x85K\x01\x85\x89tR"
    ),
    "sparse weights": _saved(state_dict={"w": torch.eye(3).to_sparse()}),
    "complex weights": _saved(state_dict={"w": torch.ones(3, dtype=torch.complex64)}),
    "weights of texts": _saved(state_dict={"w": "texts"}),
    "a huge bytearray of torch's": _promised_by_torch(b"c__builtin__\nbytearray\n" + _number(2 * 10**9) + b"\x85R"),
    "a module": lambda path, command: torch.save(torch.nn.Linear(2, 2), path),
    "a config of 900 levels": _saved(config=_nested(450)),
    "epoch of digits": _saved(epoch=-(10**18)),
    "not a zip behind its magic": lambda path, command: path.write_bytes(b"PK\x03\x04" + zlib.compress(bytes(100))),
}
