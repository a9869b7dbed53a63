"""Unpacking of archives that may be hostile."""

import gzip
import os
import posixpath
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tqdm.utils import CallbackIOWrapper

from utils.errors import InputError
from utils.files import locked
from utils.progress import byte_bar

# Errors of tarfile for broken archives; it raises the last two for invalid names and sizes.
READ_ERRORS = (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError, OverflowError)

# An archive may unpack to the larger of MAX_UNPACK_RATIO times its size (features: 1.6 times) and MIN_LIMIT bytes.
MAX_UNPACK_RATIO, MIN_LIMIT = 50, 64 << 20
MAX_READ = 16 << 20  # bytes, far more than the header of any valid archive


def unpack(archive: Path, data: Path, *needed: str) -> None:
    """Unpack a tar.gz with members in `data/` into the folder `data`: completely or, after an error, not at all.

    It is unpacked to a temporary folder first and then moved, so that a broken archive or an interruption leaves no partial
    file. Other files in `data` are kept, files of the same name are replaced. Owners, permissions and times are not
    restored. `data` itself may be a link; no other link is followed.

    Raises:
        InputError: the archive is unreadable, has none of the folders `needed` below `data`, unpacks to far more than its
            size, or has a member that `_check_member` refuses; or another process is unpacking to `data`.
    """
    data.mkdir(parents=True, exist_ok=True)
    stage = data / f".{archive.name}.unpacking"
    with locked(data, f"{archive}: another process is unpacking to {data}, expected one at a time"):
        if os.path.lexists(stage):  # of a killed process
            shutil.rmtree(stage)
        stage.mkdir()
        try:
            _extract(archive, stage)
            if not any((stage / "data" / folder).is_dir() for folder in needed):
                raise InputError(f"{archive}: found no folder {' or '.join(f'data/{folder}' for folder in needed)} in it")
            for source, target in list(_moves(stage / "data", data)):
                source.replace(target)
        except READ_ERRORS as error:
            raise InputError(f"{archive}: cannot be unpacked ({error}), expected a tar.gz") from None
        finally:
            shutil.rmtree(stage)


def check_target(data: Path, folder: Path) -> None:
    """Check before a download that an archive can be unpacked to `folder` in `data`, and raise an InputError if not."""
    if os.path.lexists(data) and not data.is_dir():
        raise InputError(f"{data}: found a file or a broken link, expected a folder or a link to one")
    if not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(data)):
        raise InputError(f"{folder}: leads out of {data}, expected a folder (only {data} itself may be a link)")


def _extract(archive: Path, stage: Path) -> None:
    with archive.open("rb") as file, byte_bar(f"unpacking {archive.name}", archive.stat().st_size) as bar:
        counted = CallbackIOWrapper(bar.update, file, "read")
        with _LimitedGzipFile(counted, archive) as content, tarfile.open(fileobj=content, mode="r:") as tar:
            for member in tar:
                try:
                    tar.extract(member, stage, set_attrs=False, filter=_check_member)
                except tarfile.FilterError as error:
                    raise InputError(f"{archive}: refused, its member {member.name!r} is unsafe: {error}") from None


class _LimitedGzipFile(gzip.GzipFile):
    """The content of an archive, with a limit on its size and on the size of each read."""

    def __init__(self, file: BinaryIO, archive: Path):
        super().__init__(fileobj=file, mode="rb")
        self._archive = archive
        self._bytes_left = max(MIN_LIMIT, MAX_UNPACK_RATIO * archive.stat().st_size)

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > MAX_READ:
            raise InputError(f"{self._archive}: refused, it has a header of {size} bytes")
        content = super().read(size)
        self._bytes_left -= len(content)
        if self._bytes_left < 0:
            raise InputError(f"{self._archive}: refused, it unpacks to more than {MAX_UNPACK_RATIO} times its size")
        return content


def _check_member(member: tarfile.TarInfo, stage: str) -> tarfile.TarInfo | None:
    """Check and rewrite a member, as a filter of `tarfile`.

    `tarfile.data_filter` refuses absolute paths, paths and links out of `stage`, and special files. In addition, members
    have to lie in `data/`, sparse files and negative sizes are refused, and so is everything behind a link: the filter
    checks where a link leads at that moment, which later members can change, and before 3.11.13 long paths mislead it.
    """
    if member.isdir() and posixpath.normpath(member.name) in (".", "data"):
        return None
    if member.size < 0:  # tarfile would seek back by that and read the same bytes again
        raise tarfile.FilterError(f"its size is {member.size}")
    if member.issparse():  # a few bytes may describe any number of zeros
        raise tarfile.FilterError("it is sparse")
    name, linkname = _normalize(member.name), member.linkname
    folder = posixpath.dirname(name)
    tarfile.data_filter(member, stage)
    if _has_link(folder, stage):
        raise tarfile.FilterError("it lies behind a link")
    if member.issym():
        # In its normal form, "../" followed by names, a link never leaves `data`, wherever `data` is.
        linkname = posixpath.relpath(_normalize(posixpath.join(folder, linkname)), folder)
    elif member.islnk():
        linkname = _normalize(linkname)
        if _has_link(linkname, stage) or not Path(stage, linkname).is_file():
            raise tarfile.FilterError(f"it is a hard link to {linkname!r}, expected an earlier file")
    path = Path(stage, name)
    if path.is_symlink() or path.is_file():  # replaced, not written through
        path.unlink()
    return member.replace(name=name, linkname=linkname, mode=None)


def _normalize(path: str) -> str:
    """Return the normal form of a path in `data/`."""
    normal = posixpath.normpath(path)
    if not normal.startswith("data/"):
        raise tarfile.FilterError(f"it leads to {normal!r}, expected a place in data/")
    return normal


def _has_link(name: str, stage: str) -> bool:
    """Return whether a path, or a folder that it is in, is a link."""
    return any(Path(stage, path).is_symlink() for path in (name, *PurePosixPath(name).parents))


def _moves(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the moves of the content of `source` to the folder `target`, without following links in it."""
    for entry in sorted(source.iterdir()):
        destination = target / entry.name
        is_folder, was_folder = (path.is_dir() and not path.is_symlink() for path in (entry, destination))
        if is_folder and was_folder:
            yield from _moves(entry, destination)
        elif was_folder or (is_folder and os.path.lexists(destination)):
            kinds = ("a folder", "a file or link")
            raise InputError(f"{destination}: found {kinds[is_folder]}, expected {kinds[was_folder]} as in the archive")
        else:
            yield entry, destination
