"""Reading of the stamps of Tux Paint, from a Debian package or from the folder of an installed one."""

import dataclasses
import gzip
import io
import lzma
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from utils.errors import InputError
from utils.files import read_limited
from utils.progress import byte_bar

NAME = "tuxpaint-stamps-default"
INSTALLED = Path("/usr/share/tuxpaint/stamps")
FILE_LIST = Path(f"/var/lib/dpkg/info/{NAME}.list")  # paths of the installed files
STAMPS, DOCUMENTS = "tuxpaint/stamps/", f"doc/{NAME}/"  # below /usr/share
PICTURES, TEXT, SOUNDS = (".png", ".svg"), ".txt", (".ogg", ".wav")
MAX_FILE = 32 << 20  # bytes of a file; the largest of the package has 2.5 MB
MAX_CONTENT = 1 << 30  # bytes that the package may unpack to; it is 220 MB
MAX_DICTIONARY = 256 << 20  # bytes of memory that decompression may take; Debian's packages take 65 MiB
CHUNK = 1 << 16
AR_MAGIC, AR_HEADER = b"!<arch>\n", 60
# Errors of tarfile and lzma for broken archives; tarfile raises the last two for invalid names and sizes.
READ_ERRORS = (tarfile.TarError, lzma.LZMAError, EOFError, ValueError, OverflowError)


@dataclasses.dataclass(frozen=True)
class Package:
    """The files of the package that are needed.

    Attributes:
        files: path below the folder of stamps -> content of each picture, text and sound, without sounds in other languages.
        version: the version of the Debian package (None: not known).
        copyright: its copyright file (None: not there).
        other_sounds: language -> number of its sounds, which are not read.
    """

    files: dict[str, bytes]
    version: str | None
    copyright: bytes | None
    other_sounds: Counter[str]


def read_package(path: Path) -> Package:
    """Read a .deb, or a folder of stamps such as `INSTALLED`; the names in a .deb are never used as paths on this machine.

    Raises:
        InputError: there is nothing at the path, it is not the package, or it is damaged or far larger than the package.
    """
    if not path.exists():
        how = f"apt-get download {NAME}, then --package {NAME}_<version>_all.deb"
        raise InputError(f"{path}: not found, expected the stamps of Tux Paint; to get them: {how} (or install the package)")
    try:
        package = _select(_folder_files(path) if path.is_dir() else _deb_files(path))
    except READ_ERRORS as error:
        raise InputError(f"{path}: cannot be read ({error}), expected the Debian package {NAME}") from None
    if not any(name.endswith(TEXT) for name in package.files):
        raise InputError(f"{path}: no stamps in it, expected the Debian package {NAME} or a folder such as {INSTALLED}")
    return package


def _select(files: Iterable[tuple[str, BinaryIO]]) -> Package:
    """Return the files that are needed, of all files by their path below /usr/share."""
    found: dict[str, bytes] = {}
    documents: dict[str, bytes] = {}
    other_sounds: Counter[str] = Counter()
    for name, file in files:
        if name in (f"{DOCUMENTS}copyright", f"{DOCUMENTS}changelog.Debian.gz"):
            documents[name.removeprefix(DOCUMENTS)] = _read_file(name, file)
        elif name.startswith(STAMPS) and name.endswith((*PICTURES, TEXT, *SOUNDS)):
            if language := _other_language(name):
                other_sounds[language] += 1
            else:
                found[name.removeprefix(STAMPS)] = _read_file(name, file)
    version = _read_version(documents.get("changelog.Debian.gz", b""))
    return Package(dict(sorted(found.items())), version, documents.get("copyright"), other_sounds)


def _other_language(name: str) -> str | None:
    """Return the language of a spoken name that is not English, such as "fr" of `cat_desc_fr.ogg`."""
    match = re.search(r"_desc_([^./]+)\.\w+$", name) if name.endswith(SOUNDS) else None
    return match[1] if match and not re.match("en(?![a-z])", match[1]) else None


def _read_file(name: str, file: BinaryIO) -> bytes:
    content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise ValueError(f"{name} has more than {MAX_FILE} bytes")
    return content


def _read_version(changelog: bytes) -> str | None:
    """Return the version in the first line of Debian's changelog, such as "tuxpaint-stamps (2022.06.04-1) unstable; ..."."""
    try:
        first = gzip.GzipFile(fileobj=io.BytesIO(changelog)).read(200).decode(errors="replace")
    except (OSError, EOFError, zlib.error):
        return None
    match = re.match(r"\S+ \(([\w.+:~-]+)\)", first)
    return match[1] if match else None


def _folder_files(folder: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the files of an installed package, without those of other packages in its folder; links are not followed."""
    is_listed = folder.resolve() == INSTALLED.resolve() and FILE_LIST.is_file()
    own = set(FILE_LIST.read_text(errors="surrogateescape").splitlines()) if is_listed else None
    for name in ("copyright", "changelog.Debian.gz"):
        path = folder.resolve().parent.parent / DOCUMENTS / name
        if path.is_file():
            yield DOCUMENTS + name, io.BytesIO(read_limited(path, MAX_FILE))
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        is_own = own is None or str(INSTALLED / relative) in own
        if is_own and path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                yield STAMPS + relative.as_posix(), file


def _deb_files(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the files in usr/share of a .deb, an archive of `ar` with a member `data.tar.xz`; links are left out."""
    with path.open("rb") as file:
        size = _find_data(file)
        with byte_bar(f"reading {path.name}", size) as bar:
            content = _XzStream(file, size, bar.update)
            with tarfile.open(fileobj=content, mode="r|") as tar:
                for member in tar:
                    name = member.name.removeprefix("./").removeprefix("usr/share/")
                    if member.isfile() and not member.issparse() and name != member.name:
                        yield name, tar.extractfile(member)
            while content.read(CHUNK):  # its checksum is at the end
                pass


def _find_data(file: BinaryIO) -> int:
    """Go to the content of `data.tar.xz` in a .deb, and return its size."""
    if file.read(len(AR_MAGIC)) != AR_MAGIC:
        raise ValueError("not a .deb")
    while len(header := file.read(AR_HEADER)) == AR_HEADER:
        name, size = header[:16].decode("latin-1").strip().rstrip("/"), header[48:58].decode("latin-1").strip()
        if not size.isdecimal():
            raise ValueError("not a .deb, or damaged")
        if name == "data.tar.xz":
            return int(size)
        if name.startswith("data.tar"):
            raise ValueError(f"found {name}, expected data.tar.xz")
        file.seek(int(size) + int(size) % 2, io.SEEK_CUR)
    raise ValueError("no data.tar.xz in it")


class _XzStream:
    """The content of an xz file of `size` bytes within another file, with limits on its size and on memory."""

    def __init__(self, file: BinaryIO, size: int, progress: Callable[[int], object]):
        self._file, self._bytes_left, self._progress = file, size, progress
        self._content_left = MAX_CONTENT
        self._decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_DICTIONARY)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end."""
        content = b""
        while not content and not self._decompressor.eof:
            chunk = b""
            if self._decompressor.needs_input:
                chunk = self._file.read(min(CHUNK, self._bytes_left))
                if not chunk:
                    raise EOFError("it is truncated")
                self._bytes_left -= len(chunk)
                self._progress(len(chunk))
            content = self._decompressor.decompress(chunk, size)
        self._content_left -= len(content)
        if self._content_left < 0:
            raise ValueError(f"it unpacks to more than {MAX_CONTENT} bytes")
        return content
