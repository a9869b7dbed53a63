"""The embedded frames of a collection by an image-text model, in one file that search reads without the archive.

It is HDF5: `frames` (N, dim), of length 1, and `times` (N,) in seconds, video after video, and an index of the model and the
videos as JSON.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import pydantic

from misc.extraction.hdf5_tables import append_rows, explain_damage
from misc.extraction.settings import ZeroShot
from utils.files import atomic_write

VERSION = 1
FRAMES, TIMES, INDEX = "frames", "times", "index"
ROWS = 1 << 11  # rows that are read at a time: larger arrays of numbers would be new pages each time


class _Index(pydantic.BaseModel):
    """The content of the index."""

    version: int
    model: str
    sha256: str
    videos: list[str]
    counts: list[pydantic.PositiveInt]  # frames of each video


class ZeroShotWriter:
    """Frames of the file, video by video; see `open_writer`."""

    def __init__(self, file: h5py.File):
        self._file = file
        self.counts: dict[str, int] = {}  # video -> number of its frames
        self.times: list[float] = []  # of all frames

    def add(self, video: str, features: np.ndarray, times: Sequence[float]) -> None:
        """Add the frames of a video, at least one: (T, dim), and their times in seconds."""
        append_rows(self._file, FRAMES, features.astype(np.float16))
        self.counts[video] = len(features)
        self.times.extend(map(float, times))


@contextlib.contextmanager
def open_writer(path: Path, model: ZeroShot | None) -> Iterator[ZeroShotWriter | None]:
    """Write the file of a model, which replaces the existing one at the end; delete it if the model is None."""
    if model is None:
        yield None
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as content, h5py.File(content.name, "w") as file:
        writer = ZeroShotWriter(file)
        yield writer
        about = {"version": VERSION, "model": model.model, "sha256": model.sha256}
        about |= {"videos": list(writer.counts), "counts": list(writer.counts.values())}
        file[TIMES] = np.array(writer.times, np.float32)
        file[INDEX] = np.frombuffer(json.dumps(about).encode(), np.uint8)


class ZeroShotFile:
    """The file of a collection.

    Attributes:
        model, sha256: name of the model, and digest of its weights.
        videos: those that have frames.
        starts: row of the first frame of each, (V + 1,), the last being the number of rows.
        times: seconds of each frame from the start of its video, (N,).

    Raises:
        InputError: the file is damaged, also when it is read later.
    """

    def __init__(self, path: Path):
        self._path = path
        with explain_damage(self._path):
            self._file = h5py.File(path, "r")
            index = _Index.model_validate_json(self._file[INDEX][()].tobytes())
            if index.version != VERSION:
                raise ValueError(f"version {index.version}, expected {VERSION}")
            self.model, self.sha256, self.videos = index.model, index.sha256, index.videos
            self.starts = np.cumsum([0, *index.counts])
            self.times: np.ndarray = self._file[TIMES][()]
            rows, _ = self._file[FRAMES].shape if index.counts else (0, 0)
            if len(self.videos) != len(index.counts) or {rows, *self.times.shape} != {self.starts[-1]}:
                raise ValueError(f"{rows} frames and times {self.times.shape}, expected {self.starts[-1]}")

    def score(self, query: np.ndarray) -> np.ndarray:
        """Return the cosine of each frame and a query of length 1, (dim,): (N,) float32."""
        parts = [rows @ query for rows in self._read_frames()]
        return np.concatenate([np.zeros(0, np.float32), *parts])

    def best_scores(self, queries: np.ndarray) -> np.ndarray:
        """Return the highest cosine of each of some queries of length 1, (Q, dim), and any frame, at least one: (Q,)."""
        return np.maximum.reduce([(rows @ queries.T).max(axis=0) for rows in self._read_frames()])

    @property
    def state(self) -> str:
        """A text that changes with the content of the file."""
        status = self._path.stat()
        return f"{self.sha256} {status.st_size} {status.st_mtime_ns}"

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_frames(self) -> Iterator[np.ndarray]:
        """Yield all frames, of length 1, in parts (n, dim) float32."""
        for start in range(0, len(self.times), ROWS):
            with explain_damage(self._path):
                rows = self._file[FRAMES][start : start + ROWS].astype(np.float32)
            lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))  # 1 up to the rounding of float16
            yield rows / np.maximum(lengths, 1e-12)[:, None]
