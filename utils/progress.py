"""Sizes and progress bars."""

import sys
from collections.abc import Iterable
from typing import Any, TextIO

import humanize
from tqdm import tqdm


def size_text(size: float) -> str:
    """A number of bytes as people write it, such as "2.1 GiB"."""
    return humanize.naturalsize(size, binary=True)


def bar(items: Iterable | None = None, description: str | None = None, file: TextIO | None = None, **options: Any) -> tqdm:
    """A bar on `file` (None: standard output) that counts what is done; none where that is no terminal."""
    file = file or sys.stdout
    return tqdm(items, desc=description, file=file, leave=False, dynamic_ncols=True, disable=not file.isatty(), **options)


class SizeBar(tqdm):
    """A bar on standard output that counts bytes, with sizes, speed and time left; none where that is no terminal.

    Args:
        description: what it counts.
        total: how many bytes there will be; None: not known.
        initial: how many were there before; they do not count towards the speed.
    """

    def __init__(self, description: str, total: int | None, initial: int = 0):
        bar_format = "{desc}: {done} [{speed}]"
        if total is not None:
            bar_format = "{desc}: {percentage:3.0f}%|{bar}| {done} of {whole} [{speed}, {remaining} left]"
        super().__init__(
            desc=description,
            total=total,
            initial=initial,
            leave=False,
            file=sys.stdout,
            dynamic_ncols=True,
            disable=not sys.stdout.isatty(),
            bar_format=bar_format,
        )

    @property
    def format_dict(self) -> dict[str, Any]:
        """The values of the bar's fields."""
        fields = super().format_dict
        rate = fields["rate"]
        if rate is None:  # tqdm smooths it from the second print on
            rate = (fields["n"] - fields["initial"]) / fields["elapsed"] if fields["elapsed"] else 0
        return {
            **fields,
            "done": size_text(fields["n"]),
            "whole": size_text(fields["total"] or 0),
            "speed": f"{size_text(rate)}/s",
        }
