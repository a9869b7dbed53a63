"""Reading `.mp` files: a msgpack map, whose arrays are encoded as by msgpack-numpy."""

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgpack
import numpy as np

from utils.errors import InputError
from utils.pickle_globals import RefusedError, array_from_bytes, check_keys


def iter_items(file: BinaryIO) -> Iterator[tuple[Any, Any]]:
    """Yield the entries of the map in a file, and close the file.

    Raises:
        InputError: no map.
        RefusedError: objects of another program.
    """
    with contextlib.closing(file):
        unpacker = msgpack.Unpacker(
            file,
            raw=False,
            object_hook=_decode_array,
            strict_map_key=False,
            ext_hook=_refuse_extension,
            max_buffer_size=2**31 - 1,
            unicode_errors="surrogateescape",
        )
        try:
            size = unpacker.read_map_header()
        except ValueError:
            raise InputError(f"{file.name}: found no map, expected one from video name to array") from None
        for _ in range(size):
            name = unpacker.unpack()
            check_keys([name])
            yield name, unpacker.unpack()


def _refuse_extension(code: int, data: bytes) -> None:
    raise RefusedError(f"an object of another program (type {code})")


def _decode_array(content: dict) -> Any:
    """Return the array or number that msgpack-numpy encodes as `content`, or `content` if it is another map."""
    fields = {key.decode() if isinstance(key, bytes) else key: value for key, value in content.items()}
    if "nd" not in fields:
        return content
    code = fields.get("type")
    if not isinstance(code, str | bytes) or fields.get("kind") in (b"O", "O"):
        raise RefusedError("an array of objects or records")
    dtype = np.dtype(code if isinstance(code, str) else code.decode())
    if dtype.kind not in "biufcSU":
        raise RefusedError(f"an array of {dtype}")
    array = array_from_bytes(fields["data"], dtype, tuple(fields["shape"]) if fields["nd"] else ())
    return array if fields["nd"] else array[()]
