"""Lists of the videos of a split, and of those that lack an expert."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data_loader import feature_files
from utils.errors import InputError
from utils.files import read_file
from utils.names import normalize_name

# A million names, and more.
MOST_BYTES = 64 << 20


def read_list(path: Path, short: Callable[[str], str]) -> list[str]:
    """Return the video names in a split list, which has one per line, in NFC.

    Args:
        short: a name as it is wanted.

    Raises:
        InputError: no such list, one without a name, with a name twice, or that is no list at all.
    """
    try:
        lines = read_file(path, MOST_BYTES).decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: not found, expected a list of video names, one a line") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason})") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}, expected a list of video names, one a line") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected a list of video names") from None
    names = [normalize_name(line.strip()) for line in lines if line.strip()]
    ids = [short(name) for name in names]
    if "" in ids:
        raise InputError(f"{path}: '{names[ids.index('')]}' has no name before its dot")
    if odd := [video for video in ids if "\0" in video]:
        raise InputError(f"{path}: {odd[0]!r} has a zero byte, expected a list of video names, one a line")
    if not ids:
        raise InputError(f"{path}: no video, expected at least one name")
    (video, count), *_ = Counter(ids).most_common(1)
    if count > 1:
        raise InputError(f"{path}: '{video}' is there {count} times, expected once")
    return ids


def read_flags(path: Path, count: int) -> np.ndarray:
    """Return the (count,) booleans of a file that marks the videos without an expert with 1 and the others with 0.

    Raises:
        InputError: a file that cannot be read, has another number of rows, or holds anything but 0 and 1.
    """
    content = feature_files.read_file(path)
    if not isinstance(content, np.ndarray) or content.dtype.kind not in "biuf":
        raise InputError(f"{path}: found no array of numbers, expected 0 or 1 (missing) for each video")
    flags = np.ravel(content)
    if len(flags) != count:
        raise InputError(f"{path}: {len(flags)} rows, expected {count}, one a video")
    if other := [flag for flag in flags.tolist() if flag not in (0, 1)]:
        raise InputError(f"{path}: found {other[0]!r}, expected 0 or 1 (missing) for each video")
    return flags.astype(bool)
