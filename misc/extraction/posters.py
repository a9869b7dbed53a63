"""The posters of a collection in a folder, one file per video."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from misc.extraction.collection_files import file_identity
from utils.files import write_bytes


def versioned_name(video: str, file: Path) -> str:
    """Return a name for something made from the file of a video, which changes with the file (see `file_identity`).

    Raises:
        OSError: the file does not exist, or cannot be read.
    """
    digest = hashlib.sha256(json.dumps([video, *file_identity(file)]).encode()).hexdigest()[:32]
    return f"{digest[:2]}/{digest}"


class Posters:
    """The posters of a collection: of each video the one of its present file, or none."""

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, video: str, file: Path) -> Path:
        """Return the path at which the poster of a video is, or would be; an OSError if its file does not exist."""
        return self.folder / f"{versioned_name(video, file)}.jpg"

    def find(self, video: str, file: Path) -> Path | None:
        """Return the path of the poster of a video; None without one of its present file."""
        try:
            path = self.path(video, file)
            return path if path.is_file() else None
        except OSError:
            return None

    def write(self, video: str, file: Path, content: bytes) -> None:
        """Write the poster of a video."""
        path = self.path(video, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)

    def remove_others(self, paths: Iterable[Path]) -> None:
        """Delete all posters but those in `paths`, for example those of videos that have changed or are gone."""
        for other in set(self.folder.rglob("*.jpg")).difference(paths):
            other.unlink()
