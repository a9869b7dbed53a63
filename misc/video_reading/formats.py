"""Formats of video files: supported containers, suffixes, and lengths according to headers."""

import mimetypes
import re
import struct
from pathlib import Path

import av

# Only videos: playlists, which name further files or addresses to read, are left out.
FORMATS = (
    *("3g2", "3gp", "asf", "avi", "dv", "flv", "gif", "h264", "hevc", "ivf", "m4a", "m4v", "matroska", "mj2", "mov", "mp4"),
    *("mpeg", "mpegts", "mpegvideo", "mxf", "nut", "ogg", "rm", "webm", "wtv"),
)
# FFmpeg's names of formats -> suffixes of such files. The MPEG streams are often mistaken for each other.
FORMAT_SUFFIXES = {
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
TRUNCATED = 0.1  # the share of a file that may be missing
SLACK = 0.1  # seconds that may be missing in addition
HEAD = 1 << 14  # bytes in which an AVI file describes its streams
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # sizes in the header of an AVI file that was written through a pipe
# Formats whose headers have the length of a file. For others, FFmpeg estimates the length from the last time or the size.
WITH_LENGTH = {"asf", "avi", "flv", "gif", "ivf", "matroska", "mov", "mxf", "nut", "rm", "wtv"}
LENGTH_FROM_ZERO = {"asf", "matroska", "nut"}  # formats of `WITH_LENGTH` that count the time before the first packet
CAN_JUMP_AHEAD = 0x0200  # AVFMT_TS_DISCONT of libavformat

# Suffixes of files in folders of videos that are certainly not videos. Other files are judged by their content, including
# `.gif`, which may be animated, and `.ogg`, which may contain video. Animated PNG (`.apng`) is not supported.
NOT_VIDEO = frozenset(
    " ".join(
        [
            "apng arw avif bmp cr2 cr3 dng eps gpr heic heif ico insp jfif jpeg jpg jxl nef orf png psd raw rw2 svg tbn thm",
            "tif tiff webp",  # pictures
            "3ga caf aac ac3 aif aiff amr ape flac m4a m4b mid midi mka mp2 mp3 oga opus wav wma",  # sound
            "ass dfxp idx lrc sbv smi srt ssa sub sup ttml vtt",  # subtitles
            "csv doc docx htm html json jsonl log md odt pdf ppt pptx rst rtf tex toml tsv txt xls xlsx yaml yml",  # texts
            "apk bat css dll exe ipa ipynb jar js py pyc sh so",  # programs
            "epub eml fit geojson gpx ics key kml mobi numbers otf pages plist ttf vcf",  # of phones and cameras
            "aae bup cfg db ds_store exif ifo info ini lnk md5 nfo npy npz pkl sfv sha1 sha256 torrent url xml xmp ytdl",
            "7z bz2 dmg gz img iso rar tar tgz xz zip zst",  # archives
            "aria2 crdownload download opdownload part partial tmp",  # incomplete downloads
            "bak bkp old orig swp",  # backups
            "asx cue edl m3u m3u8 mpd pls smil wpl xspf",  # playlists
        ]
    ).split()
)
NAMES = frozenset(["authors", "changelog", "copying", "icon\r", "licence", "license", "makefile", "readme"])


def kind_of_other_file(path: Path) -> str | None:
    """Return the suffix (or a name without suffix) of a file that is certainly not a video; None for any other file."""
    name = path.name.lower()
    if name in NAMES:
        return name.strip()
    if name.endswith("~"):
        return "~"
    suffix = re.sub(r"^(\.part)-frag\d+$", r"\1", path.suffix.lower())
    return suffix if suffix[1:] in NOT_VIDEO else None


def find_wrong_suffix(path: Path, form: str) -> str | None:
    """Return a message if the suffix of a file contradicts `form`, the format of its content, otherwise None."""
    suffix = path.suffix.lower()
    names = set(form.split(","))
    own = [suffixes for kinds, suffixes in FORMAT_SUFFIXES.items() if names.intersection(kinds)]
    others = [suffixes for kinds, suffixes in FORMAT_SUFFIXES.items() if not names.intersection(kinds)]
    if any(suffix in suffixes for suffixes in own):
        return None
    kind, _ = mimetypes.MimeTypes().guess_type(f"a{suffix}")
    if not any(suffix in suffixes for suffixes in others) and (kind is None or kind.startswith("video/")):
        return None
    expected = f", expected a suffix such as {' or '.join(own[0][:2])}" if own else ""
    return f"its suffix {suffix} is wrong: by its content it is {form}{expected}"


def can_jump_ahead(form: av.ContainerFormat) -> bool:
    """Return whether times in files of a format may jump ahead although no picture is shown for as long."""
    return bool(form.flags & CAN_JUMP_AHEAD)


def find_truncation(path: Path, form: str, length: float, start: float, end: float) -> str | None:
    """Return a message if more than `TRUNCATED` of the length in the header of a file is missing, otherwise None.

    The length is in seconds, as are the start of the first packet and the end of the last one.
    """
    names = set(form.split(","))
    if "asf" in names and (expected := _asf_size(path)):  # FFmpeg ignores the length of a file of another size
        size = path.stat().st_size
        return f"cut off: it has {size} of {expected} bytes" if size < (1 - TRUNCATED) * expected else None
    if not names & WITH_LENGTH or ("avi" in names and _riff_size(path) is None):
        return None
    if start > TRUNCATED * length + SLACK:  # times begin late
        if names & LENGTH_FROM_ZERO:
            length -= start
        elif start < length:  # a segment of a longer presentation, whose length the header has
            return None
    if end - start < (1 - TRUNCATED) * length - SLACK:
        return f"cut off: it ends after {end - start:.1f} of {length:.1f} s"
    return None


def is_shortened(path: Path, form: str) -> bool:
    """Return whether a Matroska file lacks more than `TRUNCATED` of the bytes according to its header.

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


def find_avi_error(path: Path) -> str | None:
    """Return a message if the header of an AVI file is invalid, otherwise None.

    FFmpeg would choose some frame rate, or decode only a part of a truncated file.
    Source: `RIFF` and `AVISTREAMHEADER` of Microsoft's AVI RIFF file reference.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    size, expected = path.stat().st_size, _riff_size(path) or 0
    if size < (1 - TRUNCATED) * expected:
        return f"cut off: it has {size} of {expected} bytes"
    at = head.find(b"vids", head.find(b"strh"))
    if 0 <= at <= len(head) - 28 and 0 in struct.unpack_from("<II", head, at + 20):  # scale and rate
        return "0 frames per second according to its header"
    return None


def _riff_size(path: Path) -> int | None:
    """Return the number of bytes of an AVI file according to its header (None: unknown)."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8)[4:], "little")
    return None if size in UNKNOWN_SIZES else size + 8


def _asf_size(path: Path) -> int | None:
    """Return the number of bytes of an ASF file (WMV) according to its header (None: unknown).

    Source: File Properties Object of Microsoft's ASF specification, 3.2.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    at = head.find(ASF_FILE_PROPERTIES)
    if at < 0 or len(head) < at + 92 or head[at + 88] & 1:  # the flag of a broadcast
        return None
    return int.from_bytes(head[at + 40 : at + 48], "little") or None
