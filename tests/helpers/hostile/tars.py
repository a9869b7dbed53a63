"""Archives with paths outside of their folder, or that unpack to more than the disk can take."""

import gzip
import io
import tarfile
from pathlib import Path

FEATS = "data/MSVD/symlinked-feats"
GIB = 1 << 30
FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def _packed(*members: tuple) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, attributes, content in ((f"{FEATS}/rgb.pickle", {}, b"rgb"), *members):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for attribute, value in attributes.items():
                setattr(member, attribute, value)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _members(*members: tuple):
    return lambda path: path.write_bytes(_packed(*members))


def _member(name: str, content: bytes = b"evil", **attributes):
    return _members((name, attributes, content))


def _zeros(file, size: int) -> None:
    for _ in range(size >> 24):
        file.write(bytes(1 << 24))


def _raw(*blocks: bytes, zeros: int = 0):
    """Return a function that writes raw headers, followed by zeros."""

    def write(path: Path) -> None:
        with gzip.open(path, "wb", compresslevel=1) as file:
            for block in blocks:
                file.write(block)
            _zeros(file, zeros)

    return write


def _header(name: str, kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(format=tarfile.GNU_FORMAT)


def _sparse() -> bytes:
    """Return the header of a file of 4 GiB without any data, as GNU tar writes it."""
    block = bytearray(_header(f"{FEATS}/sparse", b"S", 0))
    block[483:495] = b"%011o\0" % (1 << 32)  # the real size: 4 GiB
    block[386:398] = b"%011o\0" % (1 << 32)  # offset of the only, empty, piece
    block[398:410] = b"%011o\0" % 0
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax_sparse(path: Path) -> None:
    """Write the same with a header in text."""
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo(f"{FEATS}/sparse")
        member.pax_headers = {"GNU.sparse.size": str(1 << 32), "GNU.sparse.map": f"{1 << 32},0"}
        tar.addfile(member)


TARS = {
    "absolute path": _member("/tmp/pwned"),
    "out by dots": _member("../pwned"),
    "out by dots behind data": _member("data/../../pwned"),
    "beside data": _member("train.py"),
    "link to passwords": _member(f"{FEATS}/x", b"", type=LINK, linkname="/etc/passwd"),
    "link out": _member(f"{FEATS}/x", b"", type=LINK, linkname="../../../../pwned"),
    "hard link out": _member(f"{FEATS}/x", b"", type=HARD, linkname="../pwned"),
    "hard link to passwords": _member(f"{FEATS}/x", b"", type=HARD, linkname="/etc/passwd"),
    "through a link": _members(
        ("data/MSVD/x", {"type": LINK, "linkname": "../MSRVTT"}, b""), ("data/MSVD/x/pwned", {}, b"evil")
    ),
    "character device": _member(f"{FEATS}/x", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
    "block device": _member(f"{FEATS}/x", b"", type=tarfile.BLKTYPE, devmajor=8, devminor=0),
    "pipe": _member(f"{FEATS}/x", b"", type=tarfile.FIFOTYPE),
    "sparse file of 4 GiB": _raw(_sparse(), bytes(1024)),
    "sparse file of 4 GiB by text": _pax_sparse,
    "4 GiB of zeros": _raw(_header(f"{FEATS}/zeros", FILE, 4 * GIB), zeros=4 * GIB),
    "name of 2 GiB": _raw(_header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 2 * GIB), zeros=2 * GIB),
    "header of 2 GiB": _raw(_header("x", tarfile.XHDTYPE, 2 * GIB), zeros=2 * GIB),
    "size of 2**62": _raw(_header(f"{FEATS}/x", FILE, 2**62), bytes(1024)),
    "negative size": _raw(_header(f"{FEATS}/x", FILE, -512), bytes(1024)),
    "cut": lambda path: path.write_bytes(_packed((f"{FEATS}/x", {}, b"x" * 10**5))[:-60]),
}
