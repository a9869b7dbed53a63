"""Downloads that resume where they stopped.

`requests` and urllib3 retry requests, but do not resume a body that was interrupted; this does both in one loop.
"""

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
from utils.progress import byte_bar, size_text

TIMEOUT = (10, 60)  # seconds to connect, and to wait for the next bytes
RETRIES = 4  # consecutive ones that bring no new bytes
BACKOFF = 1.0  # seconds before the first retry; each later one waits twice as long
CHUNK = 2**18
MAX_DOWNLOAD_RATIO = 2  # relative to the published size: a larger file is not the published one, and may be endless
MAX_UNPUBLISHED = 64 << 30  # bytes of a file whose size was not published; the largest other archive has 20 GiB
RETRY_STATUSES = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)  # and all from 500


class UnavailableError(InputError):
    """An address does not provide the file, or not all of it; another one may."""


class _TemporaryError(Exception):
    """A failure that may not occur again when the request is repeated."""


@dataclasses.dataclass(frozen=True)
class _Version:
    """The identity of a file on a server, which distinguishes it from a later file at the same address."""

    validator: str | None  # the strong ETag of the file, otherwise the time of its last modification
    size: int | None  # bytes

    @classmethod
    def from_response(cls, response: requests.Response) -> "_Version":
        etag, length = response.headers.get("ETag", ""), response.headers.get("Content-Length", "")
        if response.status_code != HTTPStatus.OK:
            length = response.headers.get("Content-Range", "").rpartition("/")[2]
        # A weak ETag (W/...) says that two files mean the same, not that their bytes are equal.
        validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
        return cls(validator, int(length) if length.isdecimal() else None)

    @classmethod
    def from_part(cls, part: Path) -> "_Version | None":
        try:
            return cls(**json.loads(_version_file(part).read_text()))
        except (OSError, ValueError, TypeError):
            return None


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def forget_version(part: Path) -> None:
    """Make the next download to `part` start from the beginning; its bytes stay until then."""
    _version_file(part).unlink(missing_ok=True)


def can_resume(part: Path) -> bool:
    """Return whether the next download to `part` resumes from its bytes."""
    return part.is_file() and _Version.from_part(part) is not None


def describe_size(approximate_size: int | None) -> str:
    """Return a published size as text, such as "about 2.1 GiB"."""
    return "unknown size" if approximate_size is None else f"about {size_text(approximate_size)}"


def _limit(approximate_size: int | None) -> int:
    """Return the largest size in bytes of a file of some published size."""
    return MAX_UNPUBLISHED if approximate_size is None else MAX_DOWNLOAD_RATIO * approximate_size


def fetch(url: str, part: Path, approximate_size: int | None) -> None:
    """Download `url` to `part`, from where an earlier call stopped if the server still has the same file.

    The version of the file is kept in `<part>.json`; without it the download starts from the beginning. The bytes received
    are kept when the download fails or is interrupted. More bytes than `MAX_DOWNLOAD_RATIO * approximate_size` are refused,
    or than `MAX_UNPUBLISHED` if that is None.

    Raises:
        UnavailableError: the address does not provide the file, or not all of it, after a few retries.
        InputError: another process is writing `part`.
    """
    try:
        with part.open("ab") as file, requests.Session() as session:
            lock(file, f"{part}: another process is writing it, expected one at a time")
            try:
                _fetch_with_retries(session, url, file, approximate_size)
                if not file.tell():
                    raise UnavailableError(f"{url}: answered without a byte, expected {describe_size(approximate_size)}")
            finally:
                if not file.tell():
                    part.unlink(missing_ok=True)
                    forget_version(part)
    except requests.RequestException as error:
        raise UnavailableError(f"{url}: {error}, expected an address to download from") from None
    except OSError as error:
        error.filename = error.filename or str(part)
        raise


def compute_sha1(path: Path) -> str:
    """Return the sha1 of a file, with a progress bar."""
    digest = hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as file, byte_bar(f"checking {path.name}", path.stat().st_size) as bar:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def _fetch_with_retries(session: requests.Session, url: str, file: BinaryIO, approximate_size: int | None) -> None:
    """Receive the file, repeating the request as long as it brings new bytes, and RETRIES times more."""
    part = Path(file.name)
    failures, max_received = 0, file.tell() if can_resume(part) else 0
    while True:
        try:
            return _receive(session, url, file, approximate_size)
        except (_TemporaryError, requests.ConnectionError, requests.Timeout, HTTPError) as error:
            version = _Version.from_part(part)
            received = file.tell() if version else 0
            failures = 1 if received > max_received else failures + 1
            max_received = max(max_received, received)
            size = f"{version.size:,} bytes" if version and version.size else describe_size(approximate_size)
            position = f" at {received:,} bytes" if received else ""
            problem = f"{url}: {_describe_cause(error)}{position}, expected {size}"
        if failures > RETRIES:
            raise UnavailableError(problem)
        wait = BACKOFF * 2 ** (failures - 1)
        print(f"{problem}; trying again in {wait:.0f} s", flush=True)
        time.sleep(wait)


def _describe_cause(error: BaseException) -> str:
    """Return the message of the innermost cause of an error, without the class names that the outer errors add."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    if isinstance(error, http.client.IncompleteRead):
        return "connection closed"
    return getattr(error, "strerror", None) or " ".join(str(error).split())


def _receive(session: requests.Session, url: str, file: BinaryIO, approximate_size: int | None) -> None:
    """Request once what follows the bytes of the file that can be kept, and append it."""
    part, headers = Path(file.name), {"Accept-Encoding": "identity"}
    version = _Version.from_part(part) if file.tell() else None
    start = file.tell() if version else 0
    if version:
        if start == version.size:
            return
        headers |= {"Range": f"bytes={start}-", "If-Range": version.validator}  # None is not sent
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        at_end = response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        if version and (at_end or response.status_code == HTTPStatus.PARTIAL_CONTENT):
            if not _is_continuation(response, start, version):
                forget_version(part)
                raise _TemporaryError("found another version of the file")
            if at_end:
                return
        else:
            version, start = _check_whole_file(url, response, approximate_size), 0
            file.seek(0)
            file.truncate()
            write_json(_version_file(part), dataclasses.asdict(version))
        # Not decoded: some servers declare a .tar.gz as a tar in the encoding gzip.
        with byte_bar(part.name, version.size, start) as bar:
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() > _limit(approximate_size):
                    found = f"more than {size_text(file.tell())}"
                    raise UnavailableError(f"{url}: found {found}, expected {describe_size(approximate_size)}")
    if version.size not in (None, file.tell()):
        raise _TemporaryError("connection closed")


def _is_continuation(response: requests.Response, start: int, version: _Version) -> bool:
    """Return whether a response to a request for a range continues that version after its first `start` bytes."""
    found = _Version.from_response(response)
    if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return found.size == start
    starts_there = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    return starts_there and found.validator in (None, version.validator) and found.size in (None, version.size)


def _check_whole_file(url: str, response: requests.Response, approximate_size: int | None) -> _Version:
    """Check that a response holds a file of about the expected size from its first byte, and return its version."""
    status, expected = response.status_code, describe_size(approximate_size)
    if status in RETRY_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _TemporaryError(f"answered {status} {response.reason}")
    if status != HTTPStatus.OK:
        raise UnavailableError(f"{url}: answered {status} {response.reason}, expected a file of {expected}")
    found = _Version.from_response(response)
    content_type = response.headers.get("Content-Type", "a file")
    if content_type.startswith("text/html") or (found.size or 0) > _limit(approximate_size):
        size = "unknown size" if found.size is None else size_text(found.size)
        raise UnavailableError(f"{url}: found {content_type} of {size}, expected an archive of {expected}")
    return found
