"""The search page over HTTP: answers and refusals."""

import concurrent.futures
import dataclasses
import os
import re
import shutil
import unicodedata
import urllib.parse

import pytest
from helpers.browser import ATTACK, ODD_IDS
from helpers.ranking_pages import write_clip
from helpers.search_pages import EXPERTS, StubSearcher, fetch, fetch_json, page_text, serving, wait_until

pytest.importorskip("starlette")
from misc.searching.running import LOCAL_HOSTS  # noqa: E402
from misc.searching.serving.app import MAX_PAGE_K, MAX_QUERY_LENGTH, MAX_WAITING, make_app  # noqa: E402

WITHOUT_CLIP = ["../outside", "leads out", "a folder", "a pipe", "a circle", "not a video"]
IDS = [*ODD_IDS, "leads out", "leads within", "a folder", "a pipe", "a circle", "not a video"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A collection whose `videos` is a link to the user's folder."""
    folder = tmp_path_factory.mktemp("collection")
    write_clip(folder / "outside.webm")
    clips = folder / "user's clips"
    for name in IDS:
        if name not in WITHOUT_CLIP:
            (clips / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "outside.webm", clips / f"{name}.webm")
    (clips / "leads within.webm").unlink()
    (clips / "leads within.webm").symlink_to(clips / "plain.webm")
    (clips / "leads out.webm").symlink_to(folder / "outside.webm")
    (clips / "a folder.webm").symlink_to(clips / "folder")
    (clips / "a circle.webm").symlink_to("a circle.webm")
    (clips / "not a video.webm").symlink_to("notes.txt")
    os.mkfifo(clips / "a pipe.webm")
    shutil.copy(folder / "outside.webm", clips / "of nobody.webm")
    (clips / "notes.txt").write_text("private")
    (folder / "videos").symlink_to(clips)
    return folder


@pytest.fixture
def searcher(folder):
    return StubSearcher(
        folder, IDS, {"plain": [ATTACK, "a caption", "100% \udc80"]}, {"plain": {"ocr": ["SALE", "50%", ATTACK]}}
    )


@pytest.fixture
def port(searcher, folder):
    with serving(make_app(searcher, "Odd", folder, LOCAL_HOSTS)) as port:
        yield port


def clip_path(video):
    return f"/clip?id={urllib.parse.quote(video, safe='')}"


def test_programs_get_the_searchers_answers(port, searcher):
    status, found = fetch_json(port, "/api/search", q="a red bird", k=5)
    expected = dataclasses.asdict(searcher.search("a red bird", 5))
    clips = [hit.pop("clip") for hit in found["hits"]]
    assert [hit.pop("clip") for hit in expected["hits"]] and status == 200
    assert found == {"experts": EXPERTS, **expected}
    assert clips[:2] == ["/clip?id=plain", "/clip?id=%22quoted%22%20%27id%27"]

    status, found = fetch_json(port, "/api/video", id="100%", k=3)
    assert (status, found["video"]["id"], found["video"]["similarity"]) == (200, "100%", None)
    assert [hit["id"] for hit in found["similar"]] == ["plain", "\"quoted\" 'id'", "what?#1"]
    assert found["captions"] == [dataclasses.asdict(hit) for hit in searcher.v2t("100%", 3)]


@pytest.mark.parametrize("k", ["0", "-1", "97", "1e3", "ten", "", "٣", "9" * 50])
def test_k_out_of_bounds_is_refused(port, searcher, k):
    status, found = fetch_json(port, "/api/search", q="bird", k=k)
    assert status == 400 and found["error"].startswith("k: ") and "\n" not in found["error"]
    response, body = fetch(port, f"/?q=bird&k={urllib.parse.quote(k)}")
    assert response.status == 400 and f"from 1 to {MAX_PAGE_K}" in page_text(body)
    assert not searcher.asked


def test_queries_that_cannot_be_answered_have_clear_messages(port, searcher):
    cases = {
        f"q={'x' * (MAX_QUERY_LENGTH + 1)}": (
            400,
            f"{MAX_QUERY_LENGTH + 1} characters, expected at most {MAX_QUERY_LENGTH}",
        ),
        "q=%3F": (400, "no word that the text encoder knows"),
        "video=no%20such": (404, "no video 'no such' in Odd"),
        "video=": (404, "no video ''"),
        "video=plain%00": (404, "no video"),
        "q=": (200, "Nothing was asked for"),
        "q=%20%09": (200, "Nothing was asked for"),
        "": (200, f"{len(IDS)} videos, some of them"),
    }
    for asked, (status, message) in cases.items():
        response, body = fetch(port, f"/?{asked}")
        assert (response.status, message in page_text(body)) == (status, True), asked
    assert fetch_json(port, "/api/search", q="") == (400, {"error": "query: empty, expected some words"})
    assert fetch_json(port, "/api/video", id="x" * 9000)[0] == 404
    assert fetch_json(port, "/api/nothing") == (404, {"error": "Not Found"})
    response, body = fetch(port, "/nothing/%3Cscript%3E")
    assert response.status == 404 and "404: Not Found" in page_text(body)


def test_a_query_of_the_longest_length_is_answered(port):
    assert fetch_json(port, "/api/search", q="é" * MAX_QUERY_LENGTH)[0] == 200


def test_an_empty_index_and_a_single_video_are_reported(folder):
    with serving(make_app(StubSearcher(folder, []), "Empty", folder, ["*"])) as port:
        assert "No results: no video is in the index" in page_text(fetch(port, "/?q=bird")[1])
        assert "0 videos: the index is empty" in page_text(fetch(port, "/")[1])
    one = StubSearcher(folder, ["plain"])
    one.lacking = ["100%", "what?#1"]
    with serving(make_app(one, "One", folder, ["*"])) as port:
        assert "Not in the index, so never found: 2 more of the collection" in page_text(fetch(port, "/")[1])
        text = page_text(fetch(port, "/?video=plain")[1])
        assert "There is no other video." in text and "The collection has no captions." in text


def test_a_crash_is_reported_without_details_and_the_server_continues(port, capfd, caplog):
    assert fetch_json(port, "/api/search", q="crash")[0] == 500
    response, body = fetch(port, "/?q=crash")
    assert response.status == 500 and "the terminal that it runs in says why" in page_text(body)
    assert "ZeroDivision" not in body.decode() and response.headers["Content-Security-Policy"]
    assert "ZeroDivisionError" in caplog.text
    assert fetch_json(port, "/api/search", q="bird")[0] == 200


def test_every_video_is_served_by_its_id_only(port, folder):
    content = (folder / "outside.webm").read_bytes()
    for video in IDS:
        response, body = fetch(port, clip_path(video))
        if video in WITHOUT_CLIP:
            assert (response.status, body) == (404, b"no such clip"), video
        else:
            assert (response.status, body) == (200, content), video
            assert response.headers["Content-Type"] == "video/webm"


def test_an_id_may_be_asked_for_in_another_unicode_form(port):
    video = next(video for video in IDS if unicodedata.normalize("NFD", video) != video)
    other = unicodedata.normalize("NFD", video)
    assert fetch(port, clip_path(other))[0].status == 200
    assert fetch_json(port, "/api/video", id=other) == fetch_json(port, "/api/video", id=video)
    pages = [fetch(port, f"/?video={urllib.parse.quote(form)}")[1] for form in (video, other)]
    assert pages[0] == pages[1] and page_text(pages[0]).count(video)


FOREIGN = [
    "/clip",
    "/clip?id=",
    "/clip?id=of%20nobody",
    "/clip?id=of%20nobody.webm",
    "/clip?id=plain.webm",
    "/clip?id=videos/plain.webm",
    "/clip?id=notes.txt",
    "/clip?id=../outside.webm",
    "/clip?id=..%2foutside.webm",
    "/clip?id=%2e%2e%2foutside",
    "/clip?id=folder/../plain",
    "/clip?id=./plain",
    "/clip?id=/etc/passwd",
    "/clip?id=%2Fetc%2Fpasswd",
    "/clip?id=plain%00",
    "/clip?id=plain%00.webm",
    "/clip?id=%ff%fe",
    "/clip/../outside.webm",
    "/clip/plain",
    "/videos/plain.webm",
    "/static/../app.py",
    "/static/..%2fapp.py",
    "/static/%2e%2e/app.py",
    "/static//etc/passwd",
    "/static/app.py",
    "/static/search.html.j2",
    "/static/search.css%00",
    "/static/",
    "//etc/passwd",
    "/../../etc/passwd",
    "/model.pth",
]


@pytest.mark.parametrize("path", FOREIGN)
def test_nothing_else_is_served(port, path):
    response, body = fetch(port, path)
    assert response.status == 404 and b"root:" not in body and b"private" not in body
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_link_that_changes_after_the_start_is_refused_too(port, folder):
    link = folder / "videos" / "leads within.webm"
    assert fetch(port, clip_path("leads within"))[0].status == 200
    target = link.readlink()
    for other, status in ((folder / "outside.webm", 404), (folder / "nowhere.webm", 404), (target, 200)):
        link.unlink()
        link.symlink_to(other)
        assert fetch(port, clip_path("leads within"))[0].status == status


def test_a_player_can_seek(port, folder):
    content = (folder / "outside.webm").read_bytes()
    response, body = fetch(port, "/clip?id=plain", Range="bytes=100-199")
    assert (response.status, body) == (206, content[100:200])
    assert response.headers["Content-Range"] == f"bytes 100-199/{len(content)}"
    assert fetch(port, "/clip?id=plain", Range="bytes=-7")[1] == content[-7:]
    assert fetch(port, "/clip?id=plain", Range=f"bytes={len(content)}-")[0].status == 416
    response, body = fetch(port, "/clip?id=plain", "HEAD")
    assert (response.headers["Content-Length"], response.headers["Accept-Ranges"], body) == (str(len(content)), "bytes", b"")


@pytest.mark.parametrize("path", ["/", "/?q=bird", "/api/search?q=bird", "/clip?id=plain", "/static/search.js"])
def test_requests_can_only_read(port, searcher, path):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert fetch(port, path, method)[0].status == 405, method
    assert not searcher.asked
    assert fetch(port, path, "HEAD")[0].status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("evil.example:127.0.0.1", 400),
        ("", 400),
    ],
)
def test_another_host_name_for_this_machine_is_refused(port, host, status):
    """A page of evil.example that rebinds its name to 127.0.0.1 would send it."""
    for path in ("/", "/api/search?q=bird", "/clip?id=plain", "/static/search.js"):
        response, _ = fetch(port, path, Host=host)
        assert response.status == status
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_every_response_forbids_other_origins(port):
    for path in (
        "/",
        "/?q=crash",
        "/api/search?q=bird",
        "/clip?id=plain",
        "/clip?id=nobody",
        "/static/page.css",
        "/nothing",
    ):
        headers = fetch(port, path)[0].headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy.pop("default-src") == "'none'" and policy.pop("img-src") == "'self' data:"
        assert set(policy.values()) == {"'self'", "'none'"} and policy["frame-ancestors"] == "'none'"
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        assert "Access-Control-Allow-Origin" not in headers


def test_ids_captions_words_and_queries_never_become_markup(port):
    for path in ("/", f"/?q={urllib.parse.quote(ATTACK)}", "/?video=plain", f"/?video={urllib.parse.quote(IDS[6])}"):
        body = fetch(port, path)[1].decode()
        assert "<script>window" not in body and "<img" not in body
        assert set(re.findall(r"<script[^>]*>", body)) == {
            '<script src="/static/clips.js" defer>',
            '<script src="/static/search.js" defer>',
        }
        assert "&lt;img src=x onerror" in body and "style=" not in body


def test_searches_wait_for_each_other_and_clips_for_none(port, searcher):
    searcher.wait.clear()
    with concurrent.futures.ThreadPoolExecutor(MAX_WAITING + 8) as pool:
        try:
            waiting = [pool.submit(fetch_json, port, "/api/search", q=f"bird {i}") for i in range(MAX_WAITING)]
            wait_until(lambda: searcher.asked)
            responses = [pool.submit(fetch, port, clip_path("plain")) for _ in range(4)]
            assert all(response.result(20)[0].status == 200 for response in responses)
            wait_until(lambda: fetch_json(port, "/api/search", q="one more")[0] == 503)
            assert not any(future.done() for future in waiting)
        finally:
            searcher.wait.set()
        assert {future.result(20)[0] for future in waiting} == {200}
    assert searcher.threads == 1
    assert fetch_json(port, "/api/search", q="one more")[0] == 200
