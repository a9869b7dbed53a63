"""`misc/search.py serve`, on a small collection with a real model."""

import dataclasses
import signal
import socket
import sys
from pathlib import Path

import pytest
from helpers.browser import needs_browser
from helpers.ranking_pages import write_clip
from helpers.search_collection import open_searcher
from helpers.search_pages import fetch, fetch_json, serving
from helpers.search_server import RESUME, assert_signal_ends_server

import misc.search as search_command
from misc.searching.index.vector_store import IndexLocation

pytest.importorskip("starlette")
uvicorn = pytest.importorskip("uvicorn")
from misc.searching.serving.copies import open_copies  # noqa: E402

LOCATION = IndexLocation("Toy")


@pytest.fixture
def indexed(collection, call):
    """data/Toy with an index and a clip."""
    code, _, err = call(search_command, "build", *RESUME)
    assert code == 0, err
    write_clip(Path("data/Toy/videos/video0.webm"))


@pytest.fixture
def searcher(indexed):
    searcher = open_searcher(LOCATION, Path("model.pth"))
    yield searcher
    searcher.close()


@pytest.fixture
def port(searcher):
    from misc.searching.serving.app import make_app

    with serving(make_app(open_searcher(LOCATION, Path("model.pth")), "Toy", LOCATION.folder, ["*"], fold=False)) as port:
        yield port


def same(found, expected):
    """Return whether hits are equal except for the URLs of clips."""
    return [{**hit, "clip": None} for hit in found] == [{**dataclasses.asdict(hit), "clip": None} for hit in expected]


def test_it_answers_as_the_searcher_does(port, searcher):
    for words in ("a red bird", "SALE now"):
        status, found = fetch_json(port, "/api/search", q=words, k=7)
        answer = searcher.search(words, 7)
        assert status == 200 and same(found["hits"], answer.hits) and found["weights"] == answer.weights
    status, found = fetch_json(port, "/api/video", id="video0", k=5)
    assert status == 200 and same(found["similar"], searcher.similar("video0", 5).hits)
    assert found["captions"] == [dataclasses.asdict(hit) for hit in searcher.v2t("video0", 5)]
    assert found["video"]["words"] == {"ocr": ["SALE", "50%"]} and found["video"]["clip"] == "/clip?id=video0"
    assert fetch(port, "/clip?id=video0")[1] == Path("data/Toy/videos/video0.webm").read_bytes()
    assert fetch_json(port, "/api/search", q="?")[0] == 400


@needs_browser
def test_the_page_shows_the_searchers_numbers(port, searcher, visit):
    base = f"http://127.0.0.1:{port}/"
    page = visit(f"{base}?q=big+sale", ready=".tile", within=base)
    answer = searcher.search("big sale", 12)
    order = sorted(searcher.experts, key=lambda name: -answer.weights[name])
    tiles = page.locator(".tile").all()
    assert len(tiles) == len(answer.hits)
    for hit, tile in zip(answer.hits, tiles, strict=True):
        assert tile.locator(".name").inner_text() == hit.id
        assert tile.locator(".similarity").inner_text() == f"{hit.similarity:.3f}"
        assert tile.locator(".experts .unseen").all_text_contents() == [
            f"{x}: weight {hit.weights[x]:.0%}, present".replace("%", "\u00a0%") if x in hit.experts else f"{x}: missing"
            for x in order
        ]
        assert tile.locator("mark").all_text_contents() == (["SALE"] if hit.id == "video0" else [])


@pytest.fixture
def unserved(monkeypatch):
    """Record servers instead of running them."""
    servers = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: servers.append((self, sockets[0].getsockname())))
    return servers


@pytest.mark.parametrize(
    ("host", "warned"), [("127.0.0.1", False), ("localhost", False), ("127.0.0.2", False), ("0.0.0.0", True)]
)
def test_it_warns_if_others_can_see_the_videos(indexed, call, unserved, host, warned):
    code, out, err = call(search_command, "serve", *RESUME, "--host", host, "--port", 0)
    assert (code, out, len(unserved)) == (0, "", 1)
    assert [line for line in err.splitlines() if "warning" in line] == (
        [f"warning: listening at {host}: whoever reaches this machine can search and see the videos"] if warned else []
    )


@pytest.mark.parametrize(
    ("host", "names"), [("127.0.0.1", ["127.0.0.1", "localhost"]), ("0.0.0.0", ["127.0.0.1", "a.example"])]
)
def test_a_local_server_answers_to_its_own_names_only(indexed, call, monkeypatch, host, names):
    """Or a page of another site, whose name resolves to this machine, could read the collection."""
    servers = []
    with monkeypatch.context() as unserved:
        unserved.setattr(uvicorn.Server, "run", lambda server, sockets: servers.append(server))
        assert call(search_command, "serve", *RESUME, "--host", host, "--port", 0)[0] == 0
    with serving(servers[0].config.app) as port:
        statuses = {name: fetch(port, "/static/search.js", Host=name)[0].status for name in (*names, "a.example")}
    assert statuses == dict.fromkeys(names, 200) | {"a.example": 400 if host == "127.0.0.1" else 200}


def test_it_makes_copies_on_request_only(indexed, call, unserved):
    for arguments, makes in (([], False), (["--transcode"], True), (["--transcode", "300"], True)):
        code, _, err = call(search_command, "serve", *RESUME, "--port", 0, *arguments)
        assert code == 0, err
        assert Path("data/Toy/playable").is_dir() == makes


@pytest.mark.parametrize("size", ["0", "255", "-1", "1e3", "many", "9" * 20])
def test_invalid_sizes_of_copies_are_refused(collection, call, size):
    code, _, err = call(search_command, "serve", *RESUME, f"--transcode={size}")
    assert code == 2 and f"argument --transcode: '{size}', expected a number of MiB from 256" in err


def test_a_second_server_that_makes_copies_is_refused(indexed, call, unserved):
    with open_copies(Path("data/Toy/playable"), 1):
        code, _, err = call(search_command, "serve", *RESUME, "--port", 0, "--transcode")
    reason = "another server makes copies there, expected serve without --transcode"
    assert (code, unserved, err.splitlines()[-1]) == (2, [], f"error: data/Toy/playable: {reason}")


def test_it_opens_a_browser_on_request(indexed, call, unserved, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or len(opened) > 1)
    for _ in range(2):
        code, _, err = call(search_command, "serve", *RESUME, "--port", 0, "--open")
        assert code == 0 and ("no browser can be opened here" in err) == (len(opened) == 1)
    assert opened == [f"http://127.0.0.1:{place[1]}/" for _, place in unserved]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "--port 70000: expected a number from 0 to 65535"),
        (["--host", "no such host"], "--host no such host: no such address"),
        (["--host", "x" * 70], "no such address"),
        (["--host", "203.0.113.7"], "--host 203.0.113.7 --port 8000: Cannot assign requested address"),
    ],
)
def test_addresses_that_cannot_be_used_are_refused(collection, refused, arguments, message):
    assert message in refused(search_command, "serve", *RESUME, *arguments)


def test_a_port_in_use_is_refused(collection, refused):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused(search_command, "serve", *RESUME, "--port", port)
    assert message == (
        f"error: --host 127.0.0.1 --port {port}: Address already in use, expected a free port (--port 0: any)\n"
    )


def test_missing_packages_are_named(collection, refused, monkeypatch):
    for name in ("starlette", "uvicorn"):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, name, None)
            message = refused(search_command, "serve", *RESUME, "--port", 0)
            assert f"package '{name}': not installed" in message and "video-requirements.txt" in message


def test_control_c_ends_it_cleanly(indexed):
    """With an open connection, and after a query that failed because the text encoder is missing."""
    assert_signal_ends_server(signal.SIGINT, 130, "interrupted")
