"""Files in `data/<Name>` that an extraction writes in addition to those of a custom dataset, and what they depend on."""

from pathlib import Path
from typing import Any

ALL = "all_list.txt"  # all videos, in symlinked-feats
VERSIONS = "versions.json"  # video -> digest of its features, in symlinked-feats
WORDS = "-words.json"  # suffix after the name of an expert: video -> recognized words, in symlinked-feats
WORD_TIMES = "-word-times.json"  # the same for [start, end] of each word in seconds; not every video with words has them
MOMENTS = "moments.h5"  # features and words of long videos with their times, in symlinked-feats
EXTRACTED = "extracted"  # folder of what is extracted of each video, also before an extraction has finished
EXTRACTION_RECORD = "extraction.json"  # how the experts were extracted
ZERO_SHOT_FILE = "zero_shot.h5"  # frames embedded by an image-text model
FAILURES = "failures.json"  # video -> its file, and the reason why it cannot be used
WARNINGS = "warnings.json"  # video -> parts of its file that cannot be used

CHUNK_SECONDS = 10.0  # length of the parts of a long video of which each is described, and has a poster


def file_identity(path: Path) -> list[Any]:
    """Return name, size and modification time of a file, which change when the file does."""
    status = path.stat()
    return [path.name, status.st_size, status.st_mtime_ns]
