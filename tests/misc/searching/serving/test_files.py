"""Files that are removed, shortened, extended or replaced while a real server sends them."""

import concurrent.futures
import contextlib
import errno
import http.client
import logging
import os
import random
import socket
from pathlib import Path

import pytest
from helpers.search_pages import StubSearcher, fetch, serving, wait_until

pytest.importorskip("starlette")
from misc.searching.serving import files as files_module  # noqa: E402
from misc.searching.serving.app import make_app  # noqa: E402
from misc.searching.serving.files import Clips  # noqa: E402

SIZE = 24 << 20  # far more than sockets buffer
PATH = "/clip?id=plain"


@pytest.fixture
def clip(tmp_path):
    """The file of the video "plain", whose bytes depend on their position."""
    clip = tmp_path / "videos" / "plain.webm"
    clip.parent.mkdir()
    write(clip, SIZE)
    return clip


@pytest.fixture
def port(clip, tmp_path):
    with serving(make_app(StubSearcher(tmp_path, ["plain", "other"]), "Odd", tmp_path, ["*"])) as port:
        yield port


@pytest.fixture
def complaints(caplog):
    """The warnings and errors that the server logs."""
    caplog.set_level(logging.WARNING)
    return lambda: [f"{record.getMessage()}{record.exc_info or ''}" for record in caplog.records]


def write(path, size, first=0):
    path.write_bytes(pattern(size, first))


def pattern(size, first=0):
    block = bytes((first + i) % 251 for i in range(251 * 64))
    return (block * (size // len(block) + 1))[:size]


@contextlib.contextmanager
def partial_response(port, **headers):
    """Yield a response whose first bytes have been read, while the server waits."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.connect()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.request("GET", PATH, headers=headers)
        with connection.getresponse() as response:
            yield response, response.read(1000)


def remove(clip):
    clip.unlink()


def replace(clip):
    write(clip.with_name("new"), SIZE // 2, first=7)
    clip.with_name("new").replace(clip)


def grow(clip):
    with clip.open("ab") as file:
        file.write(b"more" * 100_000)


def become_folder(clip):
    clip.unlink()
    clip.mkdir()


def become_pipe(clip):
    clip.unlink()
    os.mkfifo(clip)


def forbid(clip):
    clip.chmod(0)


WHOLE = (None, 0, SIZE)
RANGE = ("bytes=5000-", 5000, SIZE)


@pytest.mark.parametrize("change", [remove, replace, grow, become_folder, become_pipe, forbid])
@pytest.mark.parametrize(("asked", "start", "end"), [WHOLE, RANGE])
def test_a_started_response_is_completed(port, clip, complaints, change, asked, start, end):
    with partial_response(port, **({} if asked is None else {"Range": asked})) as (response, first):
        change(clip)
        assert first + response.read() == pattern(SIZE)[start:end]
    assert not complaints()
    response, body = fetch(port, PATH)
    if change in (replace, grow):
        assert (response.status, body) == (200, clip.read_bytes())
    elif change is not forbid or os.geteuid():
        assert (response.status, body) == (404, b"no such clip")
    assert not complaints()


def shorten(clip):
    os.truncate(clip, SIZE // 3)


def rewrite(clip):
    write(clip, SIZE // 3, first=7)


def empty(clip):
    os.truncate(clip, 0)


@pytest.mark.parametrize("change", [shorten, rewrite, empty])
@pytest.mark.parametrize("asked", [None, "bytes=5000-", f"bytes=0-{SIZE // 2},{SIZE - 1000}-"])
def test_a_file_that_became_shorter_closes_the_connection_with_one_line(port, clip, complaints, change, asked):
    with partial_response(port, **({} if asked is None else {"Range": asked})) as (response, _):
        change(clip)
        with pytest.raises(http.client.IncompleteRead):
            response.read()
    wait_until(complaints)
    assert complaints() == [f"{clip}: became shorter while it was sent, the connection is closed"]
    response, body = fetch(port, PATH)
    assert (response.status, body) == (200, clip.read_bytes())  # and the server continues


def test_ranges_of_what_is_there_now(port, clip):
    content = clip.read_bytes()
    response, body = fetch(port, PATH, Range="bytes=10-19,40-49")
    kind, _, boundary = response.headers["Content-Type"].partition("; boundary=")
    parts = body.split(f"--{boundary}".encode())
    assert (response.status, kind, len(parts)) == (206, "multipart/byteranges", 4)
    assert [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts[1:3]] == [content[10:20], content[40:50]]
    assert int(response.headers["Content-Length"]) == len(body)
    tag = response.headers["ETag"]
    assert fetch(port, PATH, **{"Range": "bytes=0-9", "If-Range": tag})[1] == content[:10]
    replace(clip)
    response, body = fetch(port, PATH, **{"Range": "bytes=0-9", "If-Range": tag})  # so that a player does not mix two files
    assert (response.status, body) == (200, clip.read_bytes()) and response.headers["ETag"] != tag
    assert fetch(port, PATH, Range=f"bytes={SIZE}-")[0].status == 416
    assert fetch(port, PATH, Range="bytes=x")[0].status == 400
    response, body = fetch(port, PATH, "HEAD")
    assert (response.headers["Content-Length"], body) == (str(SIZE // 2), b"")


def open_files(clip):
    """Return the number of open descriptors of the clip."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(link.readlink()).startswith(str(clip))
    return found


def test_no_file_stays_open(port, clip, complaints):
    """After responses of every kind, and after clients that disconnect early."""
    for headers in (
        {},
        {"Range": "bytes=5-9"},
        {"Range": f"bytes={SIZE}-"},
        {"Range": "nothing"},
        {"Range": "bytes=0-1,8-9"},
    ):
        for method in ("GET", "HEAD"):
            fetch(port, PATH, method, **headers)
    with contextlib.ExitStack() as responses:
        for _ in range(5):
            responses.enter_context(partial_response(port))
        assert open_files(clip) == 5
    wait_until(lambda: not open_files(clip))
    assert not complaints()


@pytest.mark.parametrize(
    ("number", "status"), [(errno.EACCES, 404), (errno.ENOENT, 404), (errno.EMFILE, 503), (errno.EIO, 503)]
)
def test_a_file_that_cannot_be_opened_is_a_plain_refusal(port, clip, complaints, monkeypatch, number, status):
    """Even if its metadata could be read just before."""
    opened = os.open

    def refuse(path, *args, **options):
        if str(path).endswith((".webm", "search.js")):
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(os, "open", refuse)
    for path in (PATH, "/static/search.js"):
        assert fetch(port, path)[0].status == status
    assert len(complaints()) == (2 if status == 503 else 0) and "Traceback" not in "".join(complaints())


def become_link(clip):
    clip.rename(clip.with_name("elsewhere.webm"))
    clip.symlink_to(clip.with_name("elsewhere.webm"))


@pytest.mark.parametrize("change", [remove, become_folder, become_link, become_pipe])
def test_what_takes_the_place_of_a_file_after_its_path_was_checked_is_not_opened(clip, monkeypatch, change):
    """A link may lead out of the collection, and a pipe would be waited for."""
    clips = Clips(clip.parents[1], ["plain"], lambda video: "videos/plain.webm")
    find = clips.find

    def find_and_change(video):
        path = find(video)
        change(clip)
        return path

    monkeypatch.setattr(clips, "find", find_and_change)
    assert clips.open("plain") is None


def test_a_folder_that_may_not_be_entered_costs_its_clips_only(port, clip, monkeypatch, complaints):
    looked = os.stat

    def refuse(path, *args, **options):
        if str(path) == str(clip):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return looked(path, *args, **options)

    monkeypatch.setattr(os, "stat", refuse)
    assert fetch(port, "/")[0].status == 200 and fetch(port, PATH)[0].status == 404
    assert not complaints()


def test_style_and_scripts_that_are_gone_are_not_found(port, tmp_path, monkeypatch, complaints):
    """For example, after an update of the running program."""
    monkeypatch.setattr(files_module, "ASSETS", {"search.js": (tmp_path, "text/javascript")})
    assert fetch(port, "/static/search.js")[0].status == 404
    (tmp_path / "search.js").symlink_to(tmp_path / "elsewhere.js")
    (tmp_path / "elsewhere.js").write_text("1")
    assert fetch(port, "/static/search.js")[1] == b"1"
    assert not complaints()


def test_a_folder_in_constant_change_makes_no_traceback(port, clip, complaints):
    changes = random.Random(0)

    def ask(number):
        try:
            return fetch(port, PATH, **({"Range": "bytes=1000-"} if number % 2 else {}))[0].status
        except http.client.IncompleteRead:
            return "cut"

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, number) for number in range(60)]
        while not all(future.done() for future in asked):
            size = changes.choice([0, 3000, 4 << 20])
            if changes.random() < 0.3:
                clip.unlink(missing_ok=True)
            elif changes.random() < 0.5:
                write(clip, size)
            else:
                write(clip.with_name("new"), size)
                clip.with_name("new").replace(clip)
    assert {future.result() for future in asked} <= {200, 206, 404, 416, "cut"}
    assert all("became shorter while it was sent" in line for line in complaints())
