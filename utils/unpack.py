"""Unpacking archives that could be hostile."""

import contextlib
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
from utils.progress import SizeBar

# What tarfile raises for what it cannot read; the last two are for names and sizes that no file can have.
UNREADABLE = (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError, OverflowError)

# What an archive may unpack to: so many times its size (features: 1.6 times), or so many bytes. Headers are far smaller.
RATIO, LEAST_BYTES = 50, 64 << 20
MOST_AT_ONCE = 16 << 20


def unpack(archive: Path, data: Path, needed: str) -> None:
    """Unpack a tar.gz whose members lie in `data/` into the folder `data`: all of it, or nothing when it is refused.

    It is unpacked to a folder of its own first, and moved when that went well, so that a broken archive or an interruption
    leaves no half-written file. Owners, permissions and times are not taken over. `data` itself may be a link; no other
    is followed.

    Args:
        archive: the file.
        data: the folder; what it has besides is kept, files of the same name are replaced.
        needed: a folder that the archive has to hold, below `data`.

    Raises:
        InputError: it cannot be read, holds no such folder, unpacks to far more than its size, or has a member that is not
            in `data/`, leads out of it, lies behind a link, or is neither file, folder nor link; or another process is
            unpacking to `data`.
    """
    data.mkdir(parents=True, exist_ok=True)
    with locked(data, f"{archive}: another process is unpacking to {data}, expected one at a time"):
        _unpack(archive, data, needed)


def _unpack(archive: Path, data: Path, needed: str) -> None:
    stage = data / f".{archive.name}.unpacking"
    _remove(stage)
    try:
        stage.mkdir()
        try:
            _extract(archive, stage)
        except UNREADABLE as error:
            raise InputError(f"{archive}: cannot be unpacked ({error}), expected a tar.gz") from None
        if not (stage / "data" / needed).is_dir():
            raise InputError(f"{archive}: found no folder data/{needed} in it")
        for source, target in list(_moves(stage / "data", data)):
            source.replace(target)
    finally:
        _remove(stage)


def check_target(data: Path, folder: Path) -> None:
    """Check that an archive can be unpacked to `folder`, in `data`, as far as that can be told without it.

    Raises:
        InputError: `data` is no folder, or `folder` leads out of it.
    """
    if os.path.lexists(data) and not data.is_dir():
        raise InputError(f"{data}: found a file or a broken link, expected a folder or a link to one")
    if not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(data)):
        raise InputError(f"{folder}: leads out of {data}, expected a folder (only {data} itself may be a link)")


def _remove(stage: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(stage)


def _extract(archive: Path, stage: Path) -> None:
    with archive.open("rb") as file, SizeBar(f"unpacking {archive.name}", archive.stat().st_size) as bar:
        counted = CallbackIOWrapper(bar.update, file, "read")
        with _Unpacked(counted, archive) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as tar:
            for member in tar:
                try:
                    _write(tar, member, stage)
                except (_RefusedError, tarfile.FilterError) as error:
                    raise InputError(f"{archive}: refused, its member {member.name!r} is unsafe: {error}") from None


class _Unpacked(gzip.GzipFile):
    """The content of an archive, which may be no more than its size makes plausible, and is not read in one piece."""

    def __init__(self, file: BinaryIO, archive: Path):
        super().__init__(fileobj=file, mode="rb")
        self._archive = archive
        self._left = max(LEAST_BYTES, RATIO * archive.stat().st_size)

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > MOST_AT_ONCE:
            raise InputError(f"{self._archive}: refused, it has a header of {size} bytes")
        content = super().read(size)
        self._left -= len(content)
        if self._left < 0:
            raise InputError(f"{self._archive}: refused, it unpacks to more than {RATIO} times its size")
        return content


class _RefusedError(Exception):
    """A member could be written, or lead, outside of `data`."""


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, stage: Path) -> None:
    """Write one member, after checks of our own and those of `tarfile`.

    The filter of `tarfile` knows nothing of `data/`, and that of Python 3.11 can be led astray by chains of links.
    """
    if member.isdir() and posixpath.normpath(member.name) in (".", "data"):
        return
    if member.size < 0:  # tarfile would go back by that, and read it again
        raise _RefusedError(f"its size is {member.size}")
    if member.issparse():  # a few bytes that stand for any number of zeros
        raise _RefusedError("it is sparse")
    name = _place(member.name)
    folder = posixpath.dirname(name)
    tarfile.data_filter(member, str(stage))
    if _has_link(folder, stage):
        raise _RefusedError("it lies behind a link")
    path = stage / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.is_file():
        path.unlink()
    if member.isdir():
        path.mkdir(exist_ok=True)
    elif member.issym():
        # In its plain form, "../" and then names, a link cannot leave `data` on its way, wherever `data` is.
        path.symlink_to(posixpath.relpath(_place(posixpath.join(folder, member.linkname)), folder))
    elif member.islnk():
        target = _place(member.linkname)
        if _has_link(target, stage) or not (stage / target).is_file():
            raise _RefusedError(f"it is a hard link to {target!r}, expected an earlier file")
        path.hardlink_to(stage / target)
    else:
        with tar.extractfile(member) as source, path.open("xb") as file:
            shutil.copyfileobj(source, file)


def _place(path: str) -> str:
    """The plain form of a path that lies in `data/`."""
    plain = posixpath.normpath(path)
    if not plain.startswith("data/"):
        raise _RefusedError(f"it leads to {plain!r}, expected a place in data/")
    return plain


def _has_link(name: str, stage: Path) -> bool:
    """Whether a path, or a folder that it is in, is a link."""
    return any((stage / path).is_symlink() for path in (name, *PurePosixPath(name).parents))


def _moves(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """What to move where so that the folder `target` gets what `source` holds, links in `target` not followed."""
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        is_folder, was_folder = (path.is_dir() and not path.is_symlink() for path in (entry, place))
        if is_folder and was_folder:
            yield from _moves(entry, place)
        elif was_folder or (is_folder and os.path.lexists(place)):
            kinds = ("a folder", "a file or link")
            raise InputError(f"{place}: found {kinds[is_folder]}, expected {kinds[was_folder]} as in the archive")
        else:
            yield entry, place
