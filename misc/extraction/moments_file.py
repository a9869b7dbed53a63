"""The moments of a collection in one file, from which the features of a part of a video are read.

It is HDF5: for each expert, and type of numbers, tables of spans and of features or words that grow by the rows of one video
after another, and an index of videos and rows as JSON.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from misc.extraction.collection_files import MOMENTS
from misc.extraction.hdf5_tables import append_rows, explain_damage
from misc.extraction.moments import Moments
from utils.files import atomic_write

VERSION = 1
INDEX = "index"
WORDS = "@words"  # end of the name of a table of words; other tables end in the type of their numbers


class MomentsWriter:
    """Rows of the file, video by video; see `open_writer`."""

    def __init__(self, file: h5py.File):
        self._file = file
        self.index: dict[str, dict[str, Any]] = {}  # video -> its length, and expert -> table, first row, rows, words

    def add(self, video: str, length: float, moments: dict[str, Moments]) -> None:
        """Add a video that has moments."""
        tables = {}
        for name, found in moments.items():
            if not len(found.spans):
                continue
            if found.features is None:
                content = np.frombuffer("\n".join(found.words).encode("utf-8", "surrogatepass"), np.uint8)
                table = f"{name}{WORDS}"
                place = [append_rows(self._file, f"{table}/content", content), len(content)]
            else:
                table, place = f"{name}@{found.features.dtype.str[1:]}", []
                append_rows(self._file, f"{table}/content", found.features)
            tables[name] = [table, append_rows(self._file, f"{table}/spans", found.spans), len(found.spans), *place]
        self.index[video] = {"length": length, "experts": tables}


@contextlib.contextmanager
def open_writer(folder: Path) -> Iterator[MomentsWriter]:
    """Write the file in a folder, which replaces the existing one at the end."""
    with atomic_write(folder / MOMENTS) as content, h5py.File(content.name, "w") as file:
        writer = MomentsWriter(file)
        yield writer
        about = {"version": VERSION, "videos": writer.index}
        file[INDEX] = np.frombuffer(json.dumps(about).encode(), np.uint8)


class MomentsFile:
    """The moments in a folder.

    Attributes:
        lengths: video -> its length in seconds, for each video that has moments.

    Raises:
        InputError: the file is damaged, also when it is read later.
    """

    def __init__(self, folder: Path):
        self._path = folder / MOMENTS
        self._last: dict[str, tuple[str, Moments | None]] = {}  # expert -> video and moments that were read last
        with explain_damage(self._path):
            self._file = h5py.File(self._path, "r")
            about = json.loads(self._file[INDEX][()].tobytes())
            if about["version"] != VERSION:
                raise ValueError(f"version {about['version']}, expected {VERSION}")
            self._index = {video: entry["experts"] for video, entry in about["videos"].items()}
            self.lengths = {video: float(entry["length"]) for video, entry in about["videos"].items()}

    def read(self, video: str, name: str) -> Moments | None:
        """Return the moments of an expert in a video, which are not to be changed; None if there are none.

        Those of the last video are kept: its windows are read one after another.
        """
        last, moments = self._last.get(name, ("", None))
        if moments is None or video != last:
            moments = self._read(video, name)
            self._last[name] = video, moments
        return moments

    def _read(self, video: str, name: str) -> Moments | None:
        if (place := self._index.get(video, {}).get(name)) is None:
            return None
        with explain_damage(self._path):
            table, first, count, *words = place
            spans = self._file[f"{table}/spans"][first : first + count]
            content = self._file[f"{table}/content"]
            if not words:
                features = content[first : first + count]
                is_complete = len(features) == len(spans) == count
            else:
                text = content[words[0] : words[0] + words[1]].tobytes().decode("utf-8", "surrogatepass")
                features, is_complete = None, text.count("\n") + 1 == len(spans) == count
            if not is_complete or spans.shape != (count, 2) or not np.isfinite(spans).all():
                raise ValueError(f"'{video}': not {count} rows of {table}")
            return Moments(spans, features, text.split("\n") if words else None)

    @property
    def word_experts(self) -> list[str]:
        """The experts that recognized words in some video."""
        return [name.removesuffix(WORDS) for name in self._file if name.endswith(WORDS)]

    def experts(self, video: str, words: bool | None = None) -> list[str]:
        """Return the experts with moments in a video: those that recognize words, or the others (None: all)."""
        places = self._index.get(video, {})
        return [name for name, (table, *_) in places.items() if words is None or table.endswith(WORDS) == words]
