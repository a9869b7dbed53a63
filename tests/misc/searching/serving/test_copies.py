"""The cache of copies that browsers play: one at a time, limited, without half-written files."""

import concurrent.futures
import json
import os
import threading
import time
import urllib.parse

import pytest
from helpers import pyav_videos
from helpers.search_pages import StubSearcher, fetch, serving, wait_until

from misc.searching.serving import copies as copies_module
from misc.searching.serving.copies import open_copies
from utils.errors import InputError

pytest.importorskip("starlette")
from misc.searching.serving.app import make_app  # noqa: E402

MIB = 1 << 20
IDS = ["film", "ü #1", "no video", "leads out", "gone"]


@pytest.fixture
def folder(tmp_path):
    """A collection with two videos, a text, and a link out of it."""
    videos = tmp_path / "Odd" / "videos"
    videos.mkdir(parents=True)
    outside = pyav_videos.write(tmp_path / "outside.avi", pyav_videos.flat(5), 10)
    for name in IDS[:2]:
        pyav_videos.write(videos / f"{name}.avi", pyav_videos.flat(20), 10)
    (videos / "no video.avi").write_text("text")
    (videos / "leads out.avi").symlink_to(outside)
    (videos / "gone.avi").write_text("text")
    return tmp_path / "Odd"


@pytest.fixture
def copies(folder):
    with open_copies(folder / "playable", 100 * MIB) as copies:
        yield copies


@pytest.fixture
def port(folder, copies):
    with serving(make_app(StubSearcher(folder, IDS), "Odd", folder, ["*"], copies)) as port:
        yield port


def request(port, video, **headers):
    """Ask for a copy, and return the status and the content of the response."""
    path = f"/api/copy?id={urllib.parse.quote(video)}"
    response, body = fetch(port, path, "POST", **{"Content-Length": "0", **headers})
    return response.status, json.loads(body)


def wait_for_copy(port, video):
    """Return the last state of a copy."""
    found = []

    def is_done():
        found.append(request(port, video)[1])
        return found[-1]["state"] in ("ready", "failed")

    wait_until(is_done)
    return found[-1]


def files(folder):
    return sorted(path.suffix for path in (folder / "playable").rglob("*") if path.is_file())


@pytest.fixture
def slow(monkeypatch):
    """Make copies of the bytes in `slow.content`, after `slow.go` is set; `slow.made` counts them."""

    class Slow:
        go, made, content, together, most = threading.Event(), 0, b"copy", 0, 0

    def transcode(source, target, report):
        Slow.together += 1
        Slow.most = max(Slow.most, Slow.together)
        try:
            target.write_bytes(b"half")
            while not Slow.go.is_set():
                report(0.5)
                time.sleep(0.01)
            target.write_bytes(Slow.content)
            Slow.made += 1
        finally:
            Slow.together -= 1

    monkeypatch.setattr(copies_module, "transcode", transcode)
    return Slow


def test_a_copy_is_made_once_and_played_in_ranges(port, folder):
    for video in IDS[:2]:
        assert fetch(port, f"/copy?id={urllib.parse.quote(video)}")[0].status == 404
        done = wait_for_copy(port, video)
        assert (done["state"], done["share"]) == ("ready", 1.0)
        response, whole = fetch(port, done["url"])
        assert response.headers["Content-Type"] == "video/mp4" and whole[4:8] == b"ftyp"
        response, part = fetch(port, done["url"], Range="bytes=100-199")
        assert (response.status, part) == (206, whole[100:200])
        assert f'data-copy="{done["url"]}"'.encode() in fetch(port, "/?q=bird")[1]
    assert files(folder) == [".mp4", ".mp4"]


def test_failures_have_a_reason_and_are_tried_again(port, folder, slow, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(copies_module, "transcode", lambda *args: 1 / 0)
        assert wait_for_copy(port, "film") == {"state": "failed", "share": 0.0, "reason": "division by zero", "url": None}
    slow.go.set()
    assert wait_for_copy(port, "film")["state"] == "ready"


def test_what_is_no_video_is_refused_with_a_reason(port, folder):
    done = wait_for_copy(port, "no video")
    assert done["state"] == "failed" and done["reason"] and files(folder) == []


def test_only_videos_of_the_collection_have_copies(port, folder):
    (folder / "videos" / "gone.avi").unlink()
    for video in ("leads out", "gone", "nobody", "", "../outside", "film\0"):
        assert request(port, video) == (404, {"error": "no such clip, or the server makes no copies (serve --transcode)"})
    assert files(folder) == []


def test_a_page_of_another_site_cannot_ask(port, folder):
    for site in ("cross-site", "same-site", "none"):
        assert request(port, "film", **{"Sec-Fetch-Site": site})[0] == 403
    assert request(port, "film", **{"Sec-Fetch-Site": "same-origin"})[0] == 200
    assert fetch(port, "/api/copy?id=film")[0].status == 405


def test_without_the_option_no_copies_are_made(folder):
    with serving(make_app(StubSearcher(folder, IDS), "Odd", folder, ["*"])) as port:
        assert request(port, "film")[0] == 404 and fetch(port, "/copy?id=film")[0].status == 404
        assert b"data-copies" not in fetch(port, "/")[1]
    assert not (folder / "playable").exists()


def test_copies_are_made_one_at_a_time_and_few_may_wait(folder, slow, monkeypatch):
    monkeypatch.setattr(copies_module, "MAX_QUEUED", 2)
    with open_copies(folder / "playable", MIB) as copies:
        paths = {video: folder / "videos" / f"{video}.avi" for video in IDS[:4]}

        def ask(video):
            return copies.request(video, paths[video], paths[video].open)

        assert ask("film").state == "making"  # it waits for no other
        wait_until(lambda: ask("film").state == "making" and ask("film").share == 0.5)
        assert ask("ü #1").state == "waiting"
        with pytest.raises(BlockingIOError, match="busy: 2 copies are waited for"):
            ask("no video")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert {x.state for x in pool.map(ask, ["film"] * 50)} == {"making"}
        slow.go.set()
        wait_until(lambda: ask("film").state == ask("ü #1").state == "ready")
        assert (slow.made, slow.most) == (2, 1)


def test_the_end_of_the_server_leaves_nothing_half_written(folder, slow):
    with open_copies(folder / "playable", MIB) as copies:
        path = folder / "videos" / "film.avi"
        copies.request("film", path, lambda: path.open("rb"))
        copies.request("other", path, lambda: path.open("rb"))
        wait_until(lambda: files(folder) == [".tmp"])
    assert files(folder) == [] and slow.made == 0


def test_what_a_killed_server_left_is_removed(folder):
    left = folder / "playable" / "ab" / ".x.mp4.1-2.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    with open_copies(folder / "playable", MIB):
        assert files(folder) == []


def test_two_servers_do_not_share_a_folder(folder, copies):
    with pytest.raises(InputError, match="another server makes copies there"), open_copies(folder / "playable", MIB):
        pass


def test_copies_that_take_too_long_end(folder, slow, copies, monkeypatch):
    monkeypatch.setattr(copies_module, "MAX_SECONDS", 0)
    path = folder / "videos" / "film.avi"
    found = []
    wait_until(lambda: found.append(copies.request("film", path, lambda: path.open("rb"))) or found[-1].state == "failed")
    assert found[-1].reason == "it takes longer than 0 seconds" and files(folder) == []


def test_the_oldest_copies_are_deleted(folder, slow, monkeypatch):
    """Those that were played longest ago, if there are too many or they are too large together."""
    slow.go.set()
    slow.content = bytes(MIB // 4)
    path = folder / "videos" / "film.avi"
    with open_copies(folder / "playable", MIB) as copies:

        def make(video):
            wait_until(lambda: copies.request(video, path, lambda: path.open("rb")).state == "ready")
            wait_until(lambda: not copies._jobs)

        for number, video in enumerate("abcd"):
            make(video)
            os.utime(copies.find(video, path), ns=(0, number * 10**9))
        assert copies.use("a", path)  # now the newest
        make("e")
        assert [video for video in "abcde" if copies.find(video, path)] == list("acde")
        monkeypatch.setattr(copies_module, "MAX_COPIES", 2)
        make("f")
        assert [video for video in "abcdef" if copies.find(video, path)] == ["e", "f"]
        slow.content = bytes(2 * MIB)
        make("g")
        assert [video for video in "efg" if copies.find(video, path)] == ["g"]


def test_a_changed_video_has_another_copy(folder, slow, copies):
    slow.go.set()
    path = folder / "videos" / "film.avi"
    wait_until(lambda: copies.request("film", path, lambda: path.open("rb")).state == "ready")
    assert copies.find("film", path)
    path.write_bytes(b"another film")
    assert copies.find("film", path) is None and copies.find("film", folder / "nothing") is None
    with pytest.raises(FileNotFoundError):
        copies.request("film", folder / "nothing", None)
