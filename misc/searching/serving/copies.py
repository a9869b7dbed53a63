"""A cache of copies of videos that browsers play, which are made on demand."""

import contextlib
import dataclasses
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from misc.extraction.posters import versioned_name
from misc.searching.serving.transcoding import transcode
from misc.video_reading.media import VideoError
from utils.errors import one_line
from utils.files import atomic_write, locked, remove_temporary

FOLDER = "playable"  # in the folder of the collection
MAX_COPIES = 1000
MAX_QUEUED = 4  # copies that wait, or are made
MAX_FAILURES = 64  # that are remembered
MAX_SECONDS = 900  # of work for one copy

logger = logging.getLogger(__name__)


@dataclasses.dataclass
class Progress:
    """The state of a copy: "waiting" for another, "making", "ready" or "failed"; the share done; the reason of a failure."""

    state: str
    share: float = 0.0
    reason: str = ""


class _StoppedError(Exception):
    """The server ends."""


class Copies:
    """Copies of videos in a folder, made one after the other in a thread; `open_copies` opens them.

    A copy belongs to the present file of a video: it has another name if the file changes. If all copies have more than
    `max_bytes`, or are more than `MAX_COPIES`, those that were not played for the longest time are deleted.
    """

    def __init__(self, folder: Path, max_bytes: int):
        self._folder, self._max_bytes = folder, max_bytes
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._pool = ThreadPoolExecutor(1, "copies")
        self._jobs: dict[Path, Progress] = {}  # those that are not ready

    def find(self, video: str, file: Path) -> Path | None:
        """Return the path of the copy of a video's present file (None: no copy)."""
        with contextlib.suppress(OSError):
            path = self._path(video, file)
            return path if path.is_file() else None
        return None

    def use(self, video: str, file: Path) -> Path | None:
        """Return the path of the copy of a video's present file (None: no copy), which counts as played now."""
        if path := self.find(video, file):
            with contextlib.suppress(OSError):
                os.utime(path)
        return path

    def request(self, video: str, file: Path, open_it: Callable[[], BinaryIO | None]) -> Progress:
        """Return the state of a copy, which is made if it does not exist; `open_it` opens the file of the video.

        A failure is returned once, and the next request tries again.

        Raises:
            OSError: the file does not exist.
            BlockingIOError: too many copies wait.
        """
        path = self._path(video, file)
        with self._lock:
            if job := self._jobs.get(path):
                return self._jobs.pop(path) if job.state == "failed" else dataclasses.replace(job)
            if path.is_file():
                return Progress("ready", 1.0)
            queued = {x: job for x, job in self._jobs.items() if job.state != "failed"}
            if len(queued) >= MAX_QUEUED:
                raise BlockingIOError(f"busy: {len(queued)} copies are waited for, try again later")
            if len(self._jobs) > MAX_FAILURES:  # which nobody has asked for again
                self._jobs = queued
            state = "waiting" if queued else "making"
            job = self._jobs[path] = Progress(state)
            self._pool.submit(self._make, video, path, job, open_it)
            return Progress(state)  # not that of the job, which may have failed by now

    def close(self) -> None:
        """End the work, also on the copy that is being made, of which nothing is left."""
        self._stopping.set()
        self._pool.shutdown(cancel_futures=True)

    def _path(self, video: str, file: Path) -> Path:
        return self._folder / f"{versioned_name(video, file)}.mp4"

    def _make(self, video: str, path: Path, job: Progress, open_it: Callable[[], BinaryIO | None]) -> None:
        started = time.monotonic()

        def report(share: float) -> None:
            job.share = share
            if self._stopping.is_set():
                raise _StoppedError
            if time.monotonic() - started > MAX_SECONDS:
                raise VideoError(f"it takes longer than {MAX_SECONDS} seconds")

        job.state = "making"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if (file := open_it()) is None:
                raise VideoError("there is no such clip")
            with file, atomic_write(path) as target:
                transcode(file, Path(target.name), report)
            self._delete_oldest(path)
        except _StoppedError:
            return
        except Exception as error:  # a library may raise anything for one video
            job.reason = one_line(str(getattr(error, "strerror", None) or error)) or type(error).__name__
            job.state = "failed"
            logger.warning("'%s': no copy that plays: %s", one_line(video), job.reason)
            return
        with self._lock:
            self._jobs.pop(path, None)

    def _delete_oldest(self, newest: Path) -> None:
        """Delete copies, those that were played last a long time ago first, until they are within the limits."""
        found = []
        for path in self._folder.rglob("*.mp4"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((path != newest, -status.st_mtime_ns, path, status.st_size))
        total = 0
        for number, (_, _, path, size) in enumerate(sorted(found), 1):
            total += size
            if number > MAX_COPIES or (total > self._max_bytes and path != newest):
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def open_copies(folder: Path, max_bytes: int) -> Iterator[Copies]:
    """Open the copies in a folder, which is made, within the block; at its end nothing half-written is left.

    Raises:
        InputError: another server makes copies there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, f"{folder}: another server makes copies there, expected serve without --transcode"):
        remove_temporary(folder)  # of a server that was killed
        with contextlib.closing(Copies(folder, max_bytes)) as copies:
            yield copies
