"""Containers of videos: those that are read, and files that are not what they say."""

import mimetypes
import struct
from pathlib import Path

import av

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
SLACK = 0.1  # seconds that may lack of the length that a container promises, beside `TRUNCATED`
TRUNCATED = 0.1  # the share that may lack of what a file says it has
HEAD = 1 << 14  # bytes in which an AVI file describes its streams
UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # of an AVI file that was written through a pipe
# Formats whose headers say how long a file is. Of others FFmpeg estimates it, by the last time or the size.
WITH_LENGTH = ("asf", "avi", "flv", "gif", "ivf", "matroska", "mov", "mxf", "nut", "rm", "wtv")
LENGTH_FROM_ZERO = {"asf", "matroska", "nut"}  # those of them that count the time before the first packet
CAN_JUMP_AHEAD = 0x0200  # AVFMT_TS_DISCONT of libavformat


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


def can_jump_ahead(form: av.ContainerFormat) -> bool:
    """Return whether the clock of files of a format may jump ahead without a picture being shown for so long."""
    return bool(form.flags & CAN_JUMP_AHEAD)


def missing_seconds(path: Path, form: str, length: float, start: float, end: float) -> str | None:
    """Return how much of a file is missing if it is more than `TRUNCATED` of what its header says, otherwise None.

    Args:
        form: the format, as FFmpeg calls it.
        length: seconds of the file by its header.
        start, end: seconds when the first packet begins and the last one ends.
    """
    names = set(form.split(","))
    if not names.intersection(WITH_LENGTH) or ("avi" in names and _riff_size(path) is None):
        return None
    if start > TRUNCATED * length + SLACK:  # times begin late
        if names.intersection(LENGTH_FROM_ZERO):
            length -= start
        elif start < length:  # a segment of a longer presentation, whose length the header has
            return None
    if end - start < (1 - TRUNCATED) * length - SLACK:
        return f"cut off: it ends after {end - start:.1f} of {length:.1f} s"
    return None


def _riff_size(path: Path) -> int | None:
    """Return the bytes that an AVI file says it has, or None if it was written without knowing them."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8)[4:], "little")
    return None if size in UNKNOWN_SIZES else size + 8


def is_shortened(path: Path, form: str) -> bool:
    """Return whether a Matroska file lacks more than `TRUNCATED` of the bytes that it says it has.

    Source: RFC 8794, 4 and 11.2: the head and the segment, each an identifier, a size and content. A size in which all bits
    are set is unknown.
    """
    if "matroska" not in form.split(","):
        return False
    with path.open("rb") as file:
        head = file.read(HEAD)
    at = 0
    for identifier in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"):
        if head[at : at + 4] != identifier or not (first := int.from_bytes(head[at + 4 : at + 5], "big")):
            return False
        width = 9 - first.bit_length()  # of the size in bytes, 7 bits each
        size, unknown = int.from_bytes(head[at + 4 : at + 4 + width], "big") - (1 << 7 * width), (1 << 7 * width) - 1
        at += 4 + width + (size if identifier[0] == 0x1A else 0)
    return size != unknown and path.stat().st_size < at + (1 - TRUNCATED) * size


def contradiction_of_avi(path: Path) -> str | None:
    """What an AVI file says of itself that cannot be, None if nothing: FFmpeg would invent a rate, or take what is left.

    Source: `RIFF` and `AVISTREAMHEADER` of Microsoft's AVI RIFF file reference.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    there, said = path.stat().st_size, _riff_size(path)
    if said is not None and there < (1 - TRUNCATED) * said:
        return f"cut off: it has {there} of {said} bytes"
    at = head.find(b"vids", head.find(b"strh"))
    if 0 <= at <= len(head) - 28 and 0 in struct.unpack_from("<II", head, at + 20):  # scale and rate
        return "0 frames a second, says its header"
    return None
