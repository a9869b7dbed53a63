"""Downloads that go on where they stopped."""

import dataclasses
import hashlib
import http.client
import json
import time
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import requests
from urllib3.exceptions import HTTPError

from utils.errors import InputError
from utils.files import lock, write_json
from utils.progress import SizeBar, size_text

TIMEOUT = (10, 60)  # seconds to connect, and to wait for the next bytes
RETRIES = 4  # in a row that bring nothing new
BACKOFF = 1.0  # seconds before the first of them; each later one waits twice as long
CHUNK = 2**18
MOST = 2  # times its published size: a file that has more is another, and may have no end
BUSY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class UnavailableError(InputError):
    """An address does not give the file, or not all of it; another one may."""


class _PassingError(Exception):
    """A failure that may be over when the address is asked again."""


@dataclasses.dataclass(frozen=True)
class _Version:
    """What tells a file on a server from a later one at the same address.

    Attributes:
        validator: its strong ETag, or else when it was last modified.
        size: its number of bytes.
    """

    validator: str | None
    size: int | None

    @classmethod
    def of_answer(cls, response: requests.Response) -> "_Version":
        etag, length = response.headers.get("ETag", ""), response.headers.get("Content-Length", "")
        if response.status_code != HTTPStatus.OK:
            length = response.headers.get("Content-Range", "").rpartition("/")[2]
        # A weak ETag (W/...) says that two files mean the same, not that their bytes are equal.
        validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
        return cls(validator, int(length) if length.isdecimal() else None)

    @classmethod
    def of_part(cls, part: Path) -> "_Version | None":
        try:
            return cls(**json.loads(_notes(part).read_text()))
        except (OSError, ValueError, TypeError):
            return None


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def forget(part: Path) -> None:
    """Have the next download to `part` start anew; its bytes stay until then."""
    _notes(part).unlink(missing_ok=True)


def can_go_on(part: Path) -> bool:
    """Whether the next download to `part` goes on from what is there."""
    return part.is_file() and _Version.of_part(part) is not None


def fetch(url: str, part: Path, about: int) -> None:
    """Download `url` to `part`, from where an earlier call stopped if the server still has the same file.

    What tells the version of the file lies beside it in `<part>.json`; without that the download starts anew. What came
    stays there when the download fails or is interrupted.

    Args:
        url: an http or https address.
        part: the file to write, or to go on with.
        about: its size in bytes, about; of twice as many nothing more is taken.

    Raises:
        UnavailableError: the address does not give the file, or not all of it, after a few retries.
        InputError: another process is writing `part`.
    """
    try:
        with part.open("ab") as file, requests.Session() as session:
            lock(file, f"{file.name}: another process is writing it, expected one at a time")
            try:
                _persist(session, url, file, about)
                if not file.tell():
                    raise UnavailableError(f"{url}: answered without a byte, expected about {size_text(about)}")
            finally:
                if not file.tell():
                    part.unlink(missing_ok=True)
                    forget(part)
    except requests.RequestException as error:
        raise UnavailableError(f"{url}: {error}, expected an address to download from") from None
    except OSError as error:
        error.filename = error.filename or str(part)
        raise


def sha1_of(path: Path) -> str:
    """The sha1 of a file."""
    digest = hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as file, SizeBar(f"checking {path.name}", path.stat().st_size) as bar:
        while piece := file.read(CHUNK):
            digest.update(piece)
            bar.update(len(piece))
    return digest.hexdigest()


def _persist(session: requests.Session, url: str, file: BinaryIO, about: int) -> None:
    """Receive the file, asking again as long as that brings something new, and RETRIES times more."""
    part = Path(file.name)
    failures, reached = 0, 0
    while True:
        start = file.tell() if can_go_on(part) else 0
        reached = max(reached, start)
        try:
            return _receive(session, url, file, start, about)
        except (_PassingError, requests.ConnectionError, requests.Timeout, HTTPError) as error:
            version = _Version.of_part(part)
            kept = file.tell() if version else 0
            failures = 1 if kept > reached else failures + 1
            whole = f"{version.size:,} bytes" if version and version.size else f"about {size_text(about)}"
            place = f" at {kept:,} bytes" if kept else ""
            problem = f"{url}: {_reason(error)}{place}, expected {whole}"
        if failures > RETRIES:
            raise UnavailableError(problem)
        wait = BACKOFF * 2 ** (failures - 1)
        print(f"{problem}; trying again in {wait:.0f} s", flush=True)
        time.sleep(wait)


def _reason(error: BaseException) -> str:
    """What the innermost cause of an error says: the outer ones wrap it in names of classes."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    if isinstance(error, http.client.IncompleteRead):
        return "connection closed"
    return getattr(error, "strerror", None) or " ".join(str(error).split())


def _receive(session: requests.Session, url: str, file: BinaryIO, start: int, about: int) -> None:
    """Ask once for what follows the first `start` bytes, and append it."""
    part = Path(file.name)
    version = _Version.of_part(part) if start else None
    headers = {"Accept-Encoding": "identity"}
    if version:
        if start == version.size:
            return
        headers["Range"] = f"bytes={start}-"
        if version.validator:
            headers["If-Range"] = version.validator
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if version and response.status_code in (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            if not _continues(response, start, version):
                forget(part)
                raise _PassingError("found another version of the file")
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # nothing follows
        else:
            version, start = _whole(url, response, about), 0
            file.seek(0)
            file.truncate()
            write_json(_notes(part), dataclasses.asdict(version))
        # Not decoded: some servers say that a .tar.gz is a tar in the encoding gzip.
        with SizeBar(part.name, version.size, start) as bar:
            while piece := response.raw.read1(CHUNK, decode_content=False):
                file.write(piece)
                bar.update(len(piece))
                if file.tell() > MOST * about:
                    raise UnavailableError(
                        f"{url}: found more than {size_text(file.tell())}, expected about {size_text(about)}"
                    )
    if version.size not in (None, file.tell()):
        raise _PassingError("connection closed")


def _continues(response: requests.Response, start: int, version: _Version) -> bool:
    """Whether the answer goes on after the first `start` bytes of that version."""
    found = _Version.of_answer(response)
    if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return found.size == start
    begins = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    return begins and found.validator in (None, version.validator) and found.size in (None, version.size)


def _whole(url: str, response: requests.Response, about: int) -> _Version:
    """The version of the file that the answer holds from its first byte on."""
    status = response.status_code
    if status in BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _PassingError(f"answered {status} {response.reason}")
    if status != HTTPStatus.OK:
        raise UnavailableError(f"{url}: answered {status} {response.reason}, expected a file of about {size_text(about)}")
    found = _Version.of_answer(response)
    kind = response.headers.get("Content-Type", "a file")
    if kind.startswith("text/html") or (found.size or 0) > MOST * about:
        size = "unknown size" if found.size is None else size_text(found.size)
        raise UnavailableError(f"{url}: found {kind} of {size}, expected an archive of about {size_text(about)}")
    return found
