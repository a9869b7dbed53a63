"""The folder of videos that an extraction reads: ids, files and failures."""

import contextlib
import mimetypes
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from misc.extraction.collection_files import EXTRACTED, FAILURES
from misc.extraction.posters import Posters
from misc.extraction.settings import Settings
from misc.extraction.shards import Shards
from misc.video_reading.formats import kind_of_other_file
from utils.errors import InputError, tally_text
from utils.files import write_json
from utils.names import normalize_name
from utils.visualizer.videos import POSTERS, VIDEO_SUFFIXES

VANISHED = "it has vanished"


class VideoFolder:
    """A folder of videos, without the files to `exclude`, and the features in `data_dir` that were extracted from them."""

    def __init__(self, videos: Path, data_dir: Path, settings: Settings, exclude: Sequence[Path]):
        self.videos, self.data_dir, self.settings = videos, data_dir, settings
        self.archive = data_dir / "symlinked-feats"
        self.shards = Shards(data_dir / EXTRACTED)
        self.posters = Posters(data_dir / POSTERS)
        self.files: dict[str, Path] = {}  # id, in NFC -> file, for files with a valid name
        self.ids: dict[str, str] = {}  # path below the folder, in NFC -> id
        self.failures: dict[str, dict[str, str]] = {}  # id -> file name and reason of each file that cannot be used
        self.skipped: Counter[str] = Counter()  # suffix -> number of files that are certainly not videos
        excluded = {normalize_name(str(path.resolve())) for path in exclude}
        for path in sorted(list_files(videos), key=_preference):
            if normalize_name(str(path.resolve())) in excluded:
                continue
            if kind := kind_of_other_file(path):
                self.skipped[kind] += 1
                continue
            relative = path.relative_to(videos)
            video = normalize_name(relative.with_suffix("").as_posix())
            if not video.isprintable() or video != video.strip():
                self.fail(str(relative), path, "its name has characters that cannot be printed, or spaces at an end")
            elif video in self.files:
                other = self.files[video]
                same_form = other.with_suffix("") == path.with_suffix("")
                difference = "in its suffix" if same_form else "in the Unicode form of its letters, or its suffix"
                self.fail(str(relative), path, f"its name differs from that of {other.name} only {difference}")
            else:
                self.files[video] = path
                self.ids[normalize_name(relative.as_posix())] = video
        if not self.files:
            others = f"; skipped: {tally_text(self.skipped)}" if self.skipped else ""
            raise InputError(f"{videos}: no video files, expected some (links to folders are not followed{others})")
        self.files = dict(sorted(self.files.items()))

    def fail(self, video: str, path: Path, reason: str) -> None:
        """Record that a file cannot be used."""
        self.failures[video.encode("utf-8", "backslashreplace").decode()] = {
            "file": path.name if path.name.isprintable() else ascii(path.name)[1:-1],
            "reason": reason,
        }

    def missing_experts(self, video: str) -> tuple[str, ...] | None:
        """Return the experts still to be extracted from a video; None, with a recorded failure, if its file has vanished."""
        try:
            return self.shards.missing_experts(video, self.files[video], self.settings)
        except FileNotFoundError:
            self.fail(video, self.files[video], VANISHED)
            return None

    def lacks_poster(self, video: str) -> bool:
        """Return whether the present file of a video has no poster."""
        return self.posters.find(video, self.files[video]) is None

    def remove_old_posters(self, videos: Iterable[str]) -> None:
        """Delete all posters but those of the present files of `videos`."""
        kept = []
        for video in videos:
            with contextlib.suppress(FileNotFoundError):
                kept.append(self.posters.path(video, self.files[video]))
        self.posters.remove_others(kept)

    def write_failures(self) -> None:
        """Write failures.json."""
        write_json(self.data_dir / FAILURES, dict(sorted(self.failures.items())))


def list_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in the order of their paths, without hidden ones."""
    for path in sorted(folder.rglob("*")):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and path.is_file():
            yield path


def _preference(path: Path) -> int:
    """Return a sort key for files with the same name: suffixes that pages prefer first, other files last."""
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return VIDEO_SUFFIXES.index(path.suffix.lower())
    kind, _ = mimetypes.MimeTypes().guess_type(path.name)
    return len(VIDEO_SUFFIXES) + int(kind is not None and not kind.startswith("video/"))
