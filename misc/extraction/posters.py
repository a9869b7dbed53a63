"""The posters of a collection in a folder: one file per video, and of a long one, one per part of `CHUNK_SECONDS`."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from misc.extraction.collection_files import CHUNK_SECONDS, file_identity
from utils.files import write_bytes

PART = "-"  # precedes the number of the part in the name of a poster


def versioned_name(video: str, file: Path) -> str:
    """Return a name for something made from the file of a video, which changes with the file (see `file_identity`).

    Raises:
        OSError: the file does not exist, or cannot be read.
    """
    digest = hashlib.sha256(json.dumps([video, *file_identity(file)]).encode()).hexdigest()[:32]
    return f"{digest[:2]}/{digest}"


class Posters:
    """The posters of a collection: of each video those of its present file, or none.

    A time in seconds from the first frame stands for the part of a long video that it is in (None: the whole video).
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, video: str, file: Path, time: float | None = None) -> Path:
        """Return the path at which a poster is, or would be; an OSError if the file of the video does not exist."""
        part = "" if time is None else f"{PART}{int(time // CHUNK_SECONDS)}"
        return self.folder / f"{versioned_name(video, file)}{part}.jpg"

    def find(self, video: str, file: Path, time: float | None = None) -> Path | None:
        """Return the path of a poster, of the whole video if the part has none; None without one of the present file."""
        try:
            paths = (self.path(video, file, at) for at in dict.fromkeys((time, None)))
            return next((path for path in paths if path.is_file()), None)
        except OSError:
            return None

    def write(self, video: str, file: Path, content: bytes, time: float | None = None) -> None:
        """Write a poster."""
        path = self.path(video, file, time)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)

    def remove_others(self, paths: Iterable[Path]) -> None:
        """Delete all posters but those of whole videos in `paths` and of their parts."""
        kept = {path.stem for path in paths}
        for other in self.folder.rglob("*.jpg"):
            if other.stem.partition(PART)[0] not in kept:
                other.unlink()
