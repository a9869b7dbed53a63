"""Addresses that fail, wrong archives, and another process that downloads the same one."""

import fcntl
import hashlib

import pytest
from helpers.sync_server import ARCHIVE, FIRST, PART, SECOND, TAR, assert_synced

from utils import download


@pytest.mark.parametrize(
    "fault", [{"status": 404}, {"status": 500}, {"headers": {"Content-Type": "text/html"}}, {"no_ranges": True, "lie": True}]
)
def test_the_second_address_is_tried_when_the_first_fails(sync, server, fault):
    server.files[SECOND] = ARCHIVE
    if fault.pop("lie", None):
        server.files[FIRST] = ARCHIVE[::-1]
    server.faults = [fault] * (download.RETRIES + 1 if fault.get("status") == 500 else 1)
    assert sync()[0] == 0
    assert server.log[-1]["path"] == SECOND
    assert {request["path"] for request in server.log[:-1]} == {FIRST}
    assert_synced()


def test_the_second_address_resumes_the_part_of_the_first(sync, server):
    server.files[SECOND] = ARCHIVE
    server.faults = [{"stop": 100_000}, {"status": 404}]
    assert sync()[0] == 0
    assert [request["path"] for request in server.log] == [FIRST, FIRST, SECOND]
    assert server.log[2]["Range"] == "bytes=100000-"
    assert_synced()


def test_an_archive_at_neither_address_is_reported(sync_refused, server):
    server.files.clear()
    err = sync_refused()
    assert f"{server.url}{FIRST}: answered 404 Not Found, expected a file of about 293.4 KiB" in err
    assert f"{server.url}{SECOND}: answered 404 Not Found" in err
    assert [request["path"] for request in server.log] == [FIRST, SECOND]
    assert not list(TAR.parent.iterdir())


def test_a_wrong_sha1_is_reported_and_the_next_call_starts_from_the_beginning(sync, sync_refused, server):
    server.files[FIRST] = ARCHIVE[::-1]
    err = sync_refused()
    right, wrong = (hashlib.sha1(content).hexdigest() for content in (ARCHIVE, ARCHIVE[::-1]))
    assert f"{server.url}{FIRST}: found {len(ARCHIVE):,} bytes with the sha1 {wrong}, expected {'0' * 40} or {right}" in err
    assert "starts from the beginning" in err
    assert PART.read_bytes() == ARCHIVE[::-1] and not TAR.exists()
    server.files[FIRST] = ARCHIVE
    server.log.clear()
    assert sync()[0] == 0
    assert [request["Range"] for request in server.log] == [None]
    assert_synced()


def test_an_archive_that_another_process_downloads_is_refused(sync_refused, server):
    PART.parent.mkdir(parents=True)
    with PART.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert f"{PART}: another process is writing it" in sync_refused()
    assert server.log == []
