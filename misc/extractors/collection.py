"""The collection of videos that an extraction goes through: their names, files and failures."""

import mimetypes
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from misc.collection_files import FAILURES
from misc.extractors.file_kinds import kind_of_no_video
from misc.extractors.settings import Settings
from misc.extractors.shards import Shards
from misc.extractors.video import video_files
from utils.errors import InputError, counts_text
from utils.files import write_json
from utils.names import normalize_name
from utils.visualizer.videos import SUFFIXES


class Collection:
    """A folder of videos and what is extracted of them.

    Attributes:
        files: id -> file, of those that have a proper name. An id is in NFC, whatever form the file system has.
        names: path below the folder, in NFC, -> id.
        failures: id -> what is wrong with it.
        passed_over: suffix -> how many files have it that are plainly no videos.
    """

    def __init__(self, name: str, data_dir: Path, videos: Path, settings: Settings, exclude: Sequence[Path]):
        self.name, self.folder, self.settings = name, data_dir, settings
        self.archive = data_dir / "symlinked-feats"
        self.shards = Shards(data_dir / "extracted")
        self.files: dict[str, Path] = {}
        self.names: dict[str, str] = {}
        self.failures: dict[str, dict[str, str]] = {}
        self.passed_over: Counter[str] = Counter()
        excluded = {normalize_name(str(path.resolve())) for path in exclude}
        for path in sorted(video_files(videos), key=_rank):
            if normalize_name(str(path.resolve())) in excluded:
                continue
            if kind := kind_of_no_video(path):
                self.passed_over[kind] += 1
                continue
            relative = path.relative_to(videos)
            video = normalize_name(relative.with_suffix("").as_posix())
            if not video.isprintable() or video != video.strip():
                self.fail(str(relative), path, "its name has letters that cannot be printed, or spaces at an end")
            elif video in self.files:
                other = self.files[video]
                same_form = other.with_suffix("") == path.with_suffix("")
                where = "in its suffix alone" if same_form else "only in the Unicode form of its letters, or its suffix"
                self.fail(str(relative), path, f"its name differs from that of {other.name} {where}")
            else:
                self.files[video] = path
                self.names[normalize_name(relative.as_posix())] = video
        if not self.files:
            others = f"; passed over: {counts_text(self.passed_over)}" if self.passed_over else ""
            raise InputError(f"{videos}: no video files, expected some (links to folders are not followed{others})")
        self.files = dict(sorted(self.files.items()))

    def fail(self, video: str, path: Path, reason: str) -> None:
        """Note that a file cannot be used."""
        self.failures[video.encode("utf-8", "backslashreplace").decode()] = {
            "file": path.name if path.name.isprintable() else ascii(path.name)[1:-1],
            "reason": reason,
        }

    def missing(self, video: str) -> tuple[str, ...] | None:
        """The experts that are yet to be extracted of a video; None if its file has vanished, which is noted."""
        try:
            return self.shards.missing(video, self.files[video], self.settings)
        except FileNotFoundError:
            self.fail(video, self.files[video], "it has vanished")
            return None

    def write_failures(self) -> None:
        """Write failures.json."""
        write_json(self.folder / FAILURES, dict(sorted(self.failures.items())))


def _rank(path: Path) -> int:
    """Which of several files of one name is the video: the one that a page would play, and not a picture or subtitles."""
    if path.suffix.lower() in SUFFIXES:
        return SUFFIXES.index(path.suffix.lower())
    kind, _ = mimetypes.MimeTypes().guess_type(path.name)
    return len(SUFFIXES) + int(kind is not None and not kind.startswith("video/"))
