"""Reading small files about the videos of a split: lists of names, captions to evaluate with, flags of missing experts."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_loader.readers import read_file
from utils.errors import InputError
from utils.files import read_limited
from utils.names import normalize_name

# Enough for more than a million names.
MAX_LIST_BYTES = 64 << 20


def read_video_list(path: Path, to_id: Callable[[str], str]) -> list[str]:
    """Return the videos in a list, which has one name per line, in NFC.

    Args:
        path: the list.
        to_id: a function that turns a name in the list into the name of a video.

    Raises:
        InputError: a list that is missing, empty or not text, or that has a name twice.
    """
    try:
        lines = read_limited(path, MAX_LIST_BYTES).decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: not found, expected a list of video names, one per line") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason})") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}, expected a list of video names, one per line") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected a list of video names") from None
    names = [normalize_name(line.strip()) for line in lines if line.strip()]
    ids = [to_id(name) for name in names]
    if "" in ids:
        raise InputError(f"{path}: '{names[ids.index('')]}' has no name before its dot")
    if invalid := [video for video in ids if "\0" in video]:
        raise InputError(f"{path}: {invalid[0]!r} has a zero byte, expected a list of video names, one per line")
    if not ids:
        raise InputError(f"{path}: no video, expected at least one name")
    (video, count), *_ = Counter(ids).most_common(1)
    if count > 1:
        raise InputError(f"{path}: '{video}' is there {count} times, expected once")
    return ids


def read_entries(path: Path, ids: list[str]) -> list[tuple[str, Any]]:
    """Return the entries of videos in a file that holds a dict, as pairs of video and value.

    Raises:
        InputError: a file that cannot be read, or without an entry for each video.
    """
    content = read_file(path)
    for video in ids:
        if not isinstance(content, Mapping) or video not in content:
            raise InputError(f"{path}: has no '{video}', expected a dict with every video")
    return [(video, content[video]) for video in ids]


def read_caption_index(path: Path, ids: list[str]) -> list[int]:
    """Return the position of the only caption that each video is evaluated with.

    Raises:
        InputError: a file that cannot be read, or without an index for each video.
    """
    entries = read_entries(path, ids)
    for video, position in entries:
        if not isinstance(position, int | np.integer) or position < 0:
            raise InputError(f"{path}: '{video}' is {position!r}, expected the index of a caption")
    return [int(position) for _, position in entries]


def read_flags(path: Path, count: int) -> np.ndarray:
    """Return the flags in a file as (count,) booleans, true where a video lacks the expert.

    Raises:
        InputError: a file that cannot be read, has another number of rows, or holds anything but 0 and 1.
    """
    content = read_file(path)
    if not isinstance(content, np.ndarray) or content.dtype.kind not in "biuf":
        raise InputError(f"{path}: found no array of numbers, expected 0 or 1 (missing) for each video")
    flags = np.ravel(content)
    if len(flags) != count:
        raise InputError(f"{path}: {len(flags)} rows, expected {count}, one per video")
    if invalid := [flag for flag in flags.tolist() if flag not in (0, 1)]:
        raise InputError(f"{path}: found {invalid[0]!r}, expected 0 or 1 (missing) for each video")
    return flags.astype(bool)
