"""Containers of videos: those that are read, and files that are not what they say."""

import mimetypes
import struct
from pathlib import Path

# Videos alone: playlists, and others that name further files or addresses to read, are none.
FORMATS = (
    *("3g2", "3gp", "asf", "avi", "dv", "flv", "gif", "h264", "hevc", "ivf", "m4a", "m4v", "matroska", "mj2", "mov", "mp4"),
    *("mpeg", "mpegts", "mpegvideo", "mxf", "nut", "ogg", "rm", "webm", "wtv"),
)
# The suffixes of files that go by one of these names with FFmpeg. The MPEG streams are often taken for each other.
SUFFIXES = {
    ("mov", "m4v"): (".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3gpp", ".3g2", ".f4v", ".mj2", ".ismv"),
    ("matroska",): (".mkv", ".webm", ".mk3d"),
    ("avi",): (".avi", ".divx", ".xvid"),
    ("mpeg", "mpegts", "mpegvideo"): (
        *(".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".mpv", ".vob", ".mod", ".tod", ".ts", ".m2t", ".m2ts", ".mts"),
    ),
    ("asf",): (".wmv", ".asf"),
    ("flv",): (".flv", ".f4v"),
    ("ogg",): (".ogv", ".ogg", ".ogm"),
    ("gif",): (".gif",),
}
TRUNCATED = 0.1  # the share that may lack of what a file says it has
HEAD = 1 << 14  # bytes in which an AVI file describes its streams


def wrong_suffix(path: Path, found: str) -> str | None:
    """What is wrong with the suffix of a file: that of another container, or of no video. None if nothing is.

    Args:
        found: what it is by its content, as FFmpeg calls it: names with commas between them.
    """
    suffix = path.suffix.lower()
    names = set(found.split(","))
    own = [suffixes for kinds, suffixes in SUFFIXES.items() if names.intersection(kinds)]
    others = [suffixes for kinds, suffixes in SUFFIXES.items() if not names.intersection(kinds)]
    if any(suffix in suffixes for suffixes in own):
        return None
    kind, _ = mimetypes.MimeTypes().guess_type(f"a{suffix}")
    if not any(suffix in suffixes for suffixes in others) and (kind is None or kind.startswith("video/")):
        return None
    expected = f", expected one such as {' or '.join(own[0][:2])}" if own else ""
    return f"its suffix {suffix} is wrong: by its content it is {found}{expected}"


def contradiction_of_avi(path: Path) -> str | None:
    """What an AVI file says of itself that cannot be, None if nothing: FFmpeg would invent a rate, or take what is left.

    Source: `RIFF` and `AVISTREAMHEADER` of Microsoft's AVI RIFF file reference.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    there, said = path.stat().st_size, 8 + int.from_bytes(head[4:8], "little")
    if there < (1 - TRUNCATED) * said:
        return f"cut off: it has {there} of {said} bytes"
    at = head.find(b"vids", head.find(b"strh"))
    if 0 <= at <= len(head) - 28 and 0 in struct.unpack_from("<II", head, at + 20):  # scale and rate
        return "0 frames a second, says its header"
    return None
