"""Reading `.hickle` files: a dict from video name to array, as versions 3 to 5 of the package hickle write it to HDF5.

A name is quoted, and is that of a data set (version 5) or of a group with one data set (3 and 4), below the group `data`, or
`data_0` in version 3. The types of values are stored beside them, as pickles in version 4; nothing of these is read.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from data_loader.readers import hdf5_file
from data_loader.readers.budget import Budget
from utils.pickle_globals import RefusedError

CONTENT = ("data", "data_0")
_ENTRY = re.compile(r"""(['"])(?P<name>[^\\/]*)\1(/(data|data_0))?""")


def iter_items(path: Path, budget: Budget) -> Iterator[tuple[str, Any]]:
    """Yield the entries of the dict in a file.

    Raises:
        RefusedError: another object than a dict from name to array or number, or a file that `hdf5_file` refuses.
    """
    with h5py.File(path, "r") as file:
        groups = [name for name in CONTENT if isinstance(file.get(name, getlink=True), h5py.HardLink)]
        if len(groups) != 1 or not isinstance(file[groups[0]], h5py.Group):
            raise RefusedError("no dict as hickle writes it")
        for key, value in hdf5_file.iter_group(file[groups[0]], budget):
            if (match := _ENTRY.fullmatch(key)) is None:
                raise RefusedError(f"the entry {key!r} in place of a quoted name and an array")
            yield match["name"], value
