"""The posters of a collection in a folder, one file per video."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from misc.extraction.shards import file_identity
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
        """Return the path of the poster of a video, which may not exist; an OSError if its file does not."""
        return self.folder / f"{versioned_name(video, file)}.jpg"

    def has(self, video: str, file: Path) -> bool:
        """Return whether there is a poster of the present file of a video."""
        return self.path(video, file).is_file()

    def write(self, video: str, file: Path, content: bytes) -> None:
        """Write the poster of a video."""
        path = self.path(video, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)

    def remove_others(self, paths: Iterable[Path]) -> None:
        """Delete all posters but those in `paths`, for example those of videos that have changed or are gone."""
        for other in set(self.folder.rglob("*.jpg")).difference(paths):
            other.unlink()
