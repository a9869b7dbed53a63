"""Files that lie beside videos and are none, by their names.

Suffixes that a video may have, and unknown ones, are not among them: such a file is judged by its content. So are `.gif`,
which may be moving pictures, and `.ogg`, which may hold video beside sound. Animated PNG (`.apng`) is not read.
"""

import re
from pathlib import Path

PICTURES = "apng avif bmp cr2 dng eps heic heif ico jpeg jpg jxl nef png psd raw svg tbn thm tif tiff webp"
SOUNDS = "aac ac3 aif aiff amr ape flac m4a m4b mid midi mka mp2 mp3 oga opus wav wma"  # an audio file has no pictures
SUBTITLES = "ass dfxp idx lrc sbv smi srt ssa sub sup ttml vtt"
TEXTS = "csv doc docx htm html json jsonl log md odt pdf ppt pptx rst rtf tex toml tsv txt xls xlsx yaml yml"
PROGRAMS = "bat css ipynb js py sh"
SIDECARS = "aae bup cfg db ds_store exif ifo info ini lnk md5 nfo npy npz pkl sfv sha1 sha256 torrent url xml xmp ytdl"
ARCHIVES = "7z bz2 dmg gz img iso rar tar tgz xz zip zst"
PARTIAL = "aria2 crdownload download opdownload part partial tmp"  # downloads that are not complete
BACKUPS = "bak bkp old orig swp"
PLAYLISTS = "asx cue edl m3u m3u8 mpd pls smil wpl xspf"
NO_VIDEO = frozenset(
    " ".join([PICTURES, SOUNDS, SUBTITLES, TEXTS, PROGRAMS, SIDECARS, ARCHIVES, PARTIAL, BACKUPS, PLAYLISTS]).split()
)
NAMES = frozenset(["authors", "changelog", "copying", "icon\r", "licence", "license", "makefile", "readme"])


def kind_of_no_video(path: Path) -> str | None:
    """Return the suffix, or the name where there is none, of a file that is plainly no video; None for any other."""
    name = path.name.lower()
    if name in NAMES:
        return name.strip()
    if name.endswith("~"):
        return "~"
    suffix = re.sub(r"^(\.part)-frag\d+$", r"\1", path.suffix.lower())
    return suffix if suffix[1:] in NO_VIDEO else None
