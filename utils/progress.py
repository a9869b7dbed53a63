"""Sizes and progress bars."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

import humanize

if TYPE_CHECKING:
    from tqdm import tqdm


def size_text(size: float) -> str:
    """Return a number of bytes as text, such as "2.1 GiB"."""
    return humanize.naturalsize(size, binary=True)


def bar(items: Iterable | None = None, description: str | None = None, file: TextIO | None = None, **options: Any) -> "tqdm":
    """Return a progress bar on `file` (None: standard output), which is shown only on a terminal."""
    from tqdm import tqdm  # takes a tenth of a second to import

    file = file or sys.stdout
    return tqdm(items, desc=description, file=file, leave=False, dynamic_ncols=True, disable=not file.isatty(), **options)


def byte_bar(description: str, total: int | None, initial: int = 0) -> "tqdm":
    """Return a progress bar that counts bytes up to `total` (None: unknown), with sizes, speed and remaining time.

    The `initial` bytes were there at the start and do not count towards the speed.
    """
    return bar(description=description, total=total, initial=initial, unit="B", unit_scale=True, unit_divisor=1024)
