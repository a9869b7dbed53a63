"""The data sets of HDF5 files from strangers."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from data_loader.budget import Budget
from utils.safe_pickle import RefusedError

# The library unpacks as much as a chunk holds, whatever its size should be: so many bytes for each of the file at most.
DEFLATED = 1032
UNCHECKED_BYTES = 64 << 20
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}


def each_data_set(path: Path, sink: Callable[[str, Any], None], advance: Callable[[int], None], budget: Budget) -> str:
    """Hand every data set of a file to `sink`, named by its path. See `feature_files.each_item`.

    Raises:
        RefusedError: a link that could leave the file, a group that is in several places or in itself, a data set that is
            stored elsewhere, or one that unpacks to more than `budget` has.
    """
    seen = set()

    def visit(group: h5py.Group, prefix: str) -> None:
        place = h5py.h5o.get_info(group.id).addr
        if place in seen:  # without end, or twice as many with every level
            raise RefusedError(f"the group '{prefix}' in several places")
        seen.add(place)
        for name in group:
            where = f"{prefix}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise RefusedError(f"'{where}', a link to elsewhere")
            if isinstance(group[name], h5py.Group):
                visit(group[name], f"{where}/")
            else:
                _check(group[name], where, budget)
                value = group[name][()]
                sink(where, value)
                advance(getattr(value, "nbytes", 0))

    with h5py.File(path, "r") as file:
        visit(file, "")
    return "dict"


def _check(data_set: h5py.Dataset, where: str, budget: Budget) -> None:
    """Refuse what leads out of the file, or would take too much memory to read."""
    if data_set.is_virtual or data_set.external:
        raise RefusedError(f"'{where}', which is stored in another file")
    if data_set.dtype.kind not in "biufS" or data_set.shape is None:
        raise RefusedError(f"'{where}', an array of {data_set.dtype} of shape {data_set.shape}")
    if data_set.chunks is None:
        chunk = data_set.nbytes
    else:
        chunk = int(np.prod(data_set.chunks, dtype=object)) * data_set.dtype.itemsize
    if max(data_set.nbytes, chunk) > budget.left:
        raise RefusedError(f"'{where}' of {max(data_set.nbytes, chunk)} bytes, more than a file of its size may")
    if data_set.chunks is not None:
        _check_chunks(data_set, where, chunk)


def _check_chunks(data_set: h5py.Dataset, where: str, size: int) -> None:
    """Refuse chunks that unpack to more than their size, as far as the library would not notice."""
    properties = data_set.id.get_create_plist()
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if not set(filters) <= FILTERS or len(set(filters)) < len(filters):
        raise RefusedError(f"'{where}', packed in an unusual way")
    if h5py.h5z.FILTER_DEFLATE not in filters:
        return
    for i in range(data_set.id.get_num_chunks()):
        chunk = data_set.id.get_chunk_info(i)
        if chunk.size * DEFLATED > UNCHECKED_BYTES + size:
            _, packed = data_set.id.read_direct_chunk(chunk.chunk_offset)
            unpacker = zlib.decompressobj()
            unpacker.decompress(packed, size)
            if unpacker.unconsumed_tail and unpacker.decompress(unpacker.unconsumed_tail, 1):
                raise RefusedError(f"'{where}', of which a part unpacks to more than its size")
