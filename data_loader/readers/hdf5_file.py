"""Reading `.h5` files."""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from data_loader.readers.budget import Budget
from utils.pickle_globals import RefusedError

# The library unpacks a chunk whatever its size should be: each byte in the file gives at most this many.
MAX_DEFLATE_RATIO = 1032
UNCHECKED_BYTES = 64 << 20
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}


def iter_items(path: Path, budget: Budget) -> Iterator[tuple[str, Any]]:
    """Yield all data sets of a file, named by their path.

    Raises:
        RefusedError: a link that could leave the file, a group in several places or in itself, a data set that is stored in
            another file, or one that unpacks to more than remains of `budget`.
    """
    with h5py.File(path, "r") as file:
        yield from iter_group(file, budget)


def iter_group(group: h5py.Group, budget: Budget) -> Iterator[tuple[str, Any]]:
    """Yield all data sets in a group and below, named by their path from there, with the refusals of `iter_items`."""
    yield from _iter_group(group, "", set(), budget)


def _iter_group(group: h5py.Group, prefix: str, seen: set[int], budget: Budget) -> Iterator[tuple[str, Any]]:
    """Yield the data sets in a group and below; `seen` has the addresses of the groups that were visited."""
    address = h5py.h5o.get_info(group.id).addr
    if address in seen:  # a group in itself never ends, and groups that appear twice on each level have too many paths
        raise RefusedError(f"the group '{prefix}' in several places")
    seen.add(address)
    for key in group:
        name = f"{prefix}{key}"
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise RefusedError(f"'{name}', a link to elsewhere")
        if isinstance(group[key], h5py.Group):
            yield from _iter_group(group[key], f"{name}/", seen, budget)
        else:
            _check(group[key], name, budget)
            yield name, group[key][()]


def _check(data_set: h5py.Dataset, name: str, budget: Budget) -> None:
    """Refuse a data set outside of the file, or one that would take too much memory to read."""
    if data_set.is_virtual or data_set.external:
        raise RefusedError(f"'{name}', which is stored in another file")
    if data_set.dtype.kind not in "biufS" or data_set.shape is None:
        raise RefusedError(f"'{name}', an array of {data_set.dtype} of shape {data_set.shape}")
    chunk_bytes = math.prod(data_set.chunks or data_set.shape) * data_set.dtype.itemsize
    if (size := max(data_set.nbytes, chunk_bytes)) > budget.remaining:
        raise RefusedError(f"'{name}' of {size} bytes, more than a file of its size may")
    if data_set.chunks is None:
        return
    properties = data_set.id.get_create_plist()
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if not set(filters) <= FILTERS or len(set(filters)) < len(filters):
        raise RefusedError(f"'{name}', packed in an unusual way")
    if h5py.h5z.FILTER_DEFLATE not in filters:
        return
    for i in range(data_set.id.get_num_chunks()):
        chunk = data_set.id.get_chunk_info(i)
        if chunk.size * MAX_DEFLATE_RATIO > UNCHECKED_BYTES + chunk_bytes:
            _, packed = data_set.id.read_direct_chunk(chunk.chunk_offset)
            unpacker = zlib.decompressobj()
            unpacker.decompress(packed, chunk_bytes)
            if unpacker.unconsumed_tail and unpacker.decompress(unpacker.unconsumed_tail, 1):
                raise RefusedError(f"'{name}', with a chunk that unpacks to more than its size")
