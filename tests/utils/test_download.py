"""Downloads from servers that truncate, drop, stall and throttle, by `misc/sync_experts.py`."""

import resource
import socket

import pytest
from helpers.sync_server import ARCHIVE, FIRST, PART, SECOND, TAR, assert_synced, part_of_another

from utils import download


def test_resumes_after_a_drop(sync, server):
    server.faults = [{"stop": 100_000}]
    code, out, _ = sync()
    assert code == 0 and f"connection closed at 100,000 bytes, expected {len(ARCHIVE):,} bytes" in out
    assert [request["Range"] for request in server.log] == [None, "bytes=100000-"]
    assert server.log[1]["sent"] == len(ARCHIVE) - 100_000
    assert_synced()


def test_resumes_after_a_drop_without_a_content_length(sync, server):
    """Without a Content-Length, the expected length is in the Content-Range of the response."""
    server.faults = [{"stop": 100_000}, {"no_length": True, "stop": 50_000}]
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [None, "bytes=100000-", "bytes=150000-"]
    assert_synced()


def test_a_weak_etag_is_not_a_version(sync, server):
    """Files with the same weak ETag may differ in their bytes, so that Last-Modified is used."""
    modified = "Fri, 22 May 2020 10:00:00 GMT"
    server.always = {"etag": 'W/"1"', "headers": {"Last-Modified": modified}}
    server.faults = [server.always | {"stop": 100_000}]
    assert sync()[0] == 0
    assert [(request["Range"], request["If-Range"]) for request in server.log] == [(None, None), ("bytes=100000-", modified)]
    assert_synced()


def test_resumes_after_a_stall(sync, server, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", (10, 0.2))
    server.faults = [{"stop": 100_000, "stall": True}]
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [None, "bytes=100000-"]
    assert_synced()


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_retries_as_long_as_new_bytes_arrive(sync, server, status):
    """There are more drops than retries, each after some bytes, and errors of an overloaded server between them."""
    server.faults = [{"stop": 30_000}, {"status": status}] * (download.RETRIES + 3)
    assert sync()[0] == 0
    assert server.log[-1]["Range"] == f"bytes={30_000 * (download.RETRIES + 3)}-"
    assert_synced()


def test_resumes_in_the_next_call(sync, sync_refused, server):
    server.faults = [{"stop": 100_000}] + [{"status": 503}] * (download.RETRIES + 1)
    err = sync_refused()
    assert f"{server.url}{FIRST}: answered 503 Service Unavailable at 100,000 bytes, expected {len(ARCHIVE):,} bytes" in err
    assert f"{server.url}{SECOND}: answered 404 Not Found" in err and "resumes from there" in err
    assert PART.read_bytes() == ARCHIVE[:100_000] and not TAR.exists()
    server.log.clear()
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == ["bytes=100000-"]
    assert_synced()


def test_resumes_after_an_interruption(sync, server, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    server.faults = [{"stop": 100_000}]
    with monkeypatch.context() as context:
        context.setattr(download.time, "sleep", interrupt)
        code, out, err = sync()
    assert (code, err) == (130, "interrupted\n") and f"{PART} keeps 97.7 KiB, the same command resumes from there" in out
    assert PART.read_bytes() == ARCHIVE[:100_000]
    assert sync()[0] == 0
    assert server.log[1]["Range"] == "bytes=100000-"
    assert_synced()


@pytest.mark.parametrize("fault", [{"no_ranges": True}, {"etag": '"another"'}])
def test_starts_from_the_beginning_where_the_server_cannot_resume(sync, server, fault):
    """It does not support ranges, or has another version of the file."""
    server.faults = [{"stop": 100_000}, fault]
    assert sync()[0] == 0
    assert [(request["Range"], request["sent"]) for request in server.log[1:]] == [("bytes=100000-", len(ARCHIVE))]
    assert_synced()


@pytest.mark.parametrize("fault", [{"etag": '"another"', "no_if_range": True}, {"shift": 1}])
def test_a_response_of_other_bytes_is_not_appended(sync, server, fault):
    """The response is of another version, from a server without If-Range, or of other bytes than requested."""
    server.faults = [{"stop": 100_000}, fault]
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [None, "bytes=100000-", None]
    assert_synced()


def test_a_part_of_another_version_is_not_resumed(sync, server):
    part_of_another(1000, validator='"old"', size=2000)
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == ["bytes=1000-"]
    assert_synced()


@pytest.mark.parametrize("size", [1000, 2 * len(ARCHIVE)])
def test_a_part_of_another_size_is_not_resumed(sync, server, size):
    """Without a version, the size in the response shows it: of a part (206) or of none (416)."""
    server.always = {"no_etag": True}
    part_of_another(size, validator=None, size=3 * len(ARCHIVE))
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [f"bytes={size}-", None]
    assert_synced()


@pytest.mark.parametrize("notes", [{}, {"version": "of a later release"}])
def test_a_part_of_unknown_version_is_not_resumed(sync, server, notes):
    part_of_another(1000, **notes)
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [None]
    assert_synced()


@pytest.mark.parametrize(("size", "ranges"), [(len(ARCHIVE), []), (None, [f"bytes={len(ARCHIVE)}-"])])
def test_a_complete_part_is_not_downloaded_again(sync, server, size, ranges):
    part_of_another(1, validator=None, size=size)
    PART.write_bytes(ARCHIVE)
    assert sync()[0] == 0
    assert [(request["Range"], request["sent"]) for request in server.log] == [(range, 0) for range in ranges]
    assert_synced()


@pytest.mark.parametrize("no_length", [False, True])
def test_a_file_that_is_far_too_long_is_not_downloaded(sync_refused, server, no_length):
    """Such a file could fill the disk."""
    server.files = dict.fromkeys((FIRST, SECOND), ARCHIVE * 20)
    server.always = {"no_length": no_length}
    err = sync_refused()
    assert "expected " in err and "about 293.4 KiB" in err and ": found " in err
    assert not PART.exists() or PART.stat().st_size < 4 * len(ARCHIVE)


def test_an_empty_response_is_refused(sync, sync_refused, server):
    server.files = dict.fromkeys((FIRST, SECOND), b"")
    err = sync_refused()
    assert err.count("answered without a byte, expected about 293.4 KiB") == 2 and "nothing was downloaded" in err
    server.files[SECOND] = ARCHIVE
    assert sync()[0] == 0
    assert_synced()


def test_a_refused_connection_is_reported(sync_refused, server):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    err = sync_refused("--root_url", url)
    assert f"{url}{FIRST}: Connection refused, expected about 293.4 KiB" in err
    assert not list(TAR.parent.iterdir())


def test_a_file_whose_rest_is_never_sent_is_reported(sync, sync_refused, server):
    server.faults = [{"stop": 100_000}] + [{"stop": 0}] * download.RETRIES
    err = sync_refused()
    assert f"{FIRST}: connection closed at 100,000 bytes, expected {len(ARCHIVE):,} bytes; " in err
    assert PART.read_bytes() == ARCHIVE[:100_000] and not TAR.exists()
    assert sync()[0] == 0
    assert_synced()


def test_a_file_shorter_than_announced_is_reported(sync, sync_refused, server):
    """The server announces more than it has."""
    server.files[FIRST] = ARCHIVE[:-1000]
    server.always = {"lacks": 1000}
    err = sync_refused()
    assert f"{FIRST}: found {len(ARCHIVE) - 1000:,} bytes with the sha1 " in err
    assert PART.read_bytes() == ARCHIVE[:-1000] and not TAR.exists()
    server.files[FIRST], server.always = ARCHIVE, {}
    assert sync()[0] == 0
    assert_synced()


@pytest.mark.parametrize("no_length", [False, True])
def test_a_web_page_instead_of_the_file_does_not_replace_the_part(sync_refused, server, no_length):
    part_of_another(1000, validator='"old"', size=2000)
    server.files = dict.fromkeys((FIRST, SECOND), b"moved")
    server.always = {"headers": {"Content-Type": "text/html"}, "no_length": no_length}
    err = sync_refused()
    assert f"{FIRST}: found " in err and "expected an archive of about 293.4 KiB" in err
    assert PART.read_bytes() == b"x" * 1000 and "resumes from there" in err


def test_a_full_disk_is_reported_and_the_part_kept(sync, sync_refused, server):
    """The bytes received before are kept; a limit of the file size stands for the full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        assert sync_refused() == f"error: {PART}: File too large\n"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    kept = PART.stat().st_size
    assert 100_000 < kept <= 200_000
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [None, f"bytes={kept}-"]
    assert_synced()
