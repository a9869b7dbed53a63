"""The search page: results that are not believable, notes, filters, and images as queries."""

import dataclasses
import html
import http.client
import json
import re

import pytest
from helpers.ranking_pages import write_clip
from helpers.search_pages import StubSearcher, fetch, fetch_json, serving

pytest.importorskip("starlette")
from misc.searching.commands import LOCAL_HOSTS  # noqa: E402
from misc.searching.serving import images  # noqa: E402
from misc.searching.serving.app import MAX_QUERY_LENGTH, make_app  # noqa: E402

IDS = ["birds/red", "birds/blue", "cat"]


@pytest.fixture
def port(tmp_path):
    write_clip(tmp_path / "videos" / "cat.webm")
    with serving(make_app(StubSearcher(tmp_path, IDS), "Mine", tmp_path, LOCAL_HOSTS)) as port:
        yield port


def names(body):
    return re.findall(r'<h3 class="name"><a [^>]*title="([^"]*)"', body.decode())


def test_a_doubtful_result_says_so_before_its_videos(port):
    _, body = fetch(port, "/?q=nonsense")
    markup = body.decode()
    notices = re.findall(r'<p class="notice">(.*?)</p>', markup)
    assert list(map(html.unescape, notices)) == ["no good match: a <b>reason; the nearest:", "note: a note"]
    assert "<b>reason" not in markup and markup.index("no good match") < markup.index('class="tile"') and names(body) == IDS
    assert "notice" not in fetch(port, "/?q=bird")[1].decode()
    content = fetch_json(port, "/api/search", q="nonsense")[1]
    assert content["doubt"] == "a <b>reason" and content["notes"] == ["a note"]
    assert fetch_json(port, "/api/search", q="bird")[1]["doubt"] is None


def test_a_filter_selects_videos_and_stays_in_links(port):
    assert names(fetch(port, "/?q=bird&where=folder%3Dbirds")[1]) == IDS[:2]
    content = fetch_json(port, "/api/search", q="bird", where="folder=birds name!=red")[1]
    assert [hit["id"] for hit in content["hits"]] == ["birds/blue"]
    _, body = fetch(port, "/?q=bird&k=2&where=folder%3Dbirds")
    assert 'name="where" value="folder=birds"' in body.decode() and "&amp;where=folder%3Dbirds&amp;k=4" in body.decode()
    assert names(fetch(port, "/?q=bird&where=")[1]) == IDS
    assert names(fetch(port, "/?q=bird&where=length%3C9")[1]) == []  # no file of the stub has a length
    (summary,) = re.findall(r'<details class="filter"(.*?)>', fetch(port, "/?q=bird")[1].decode())
    assert "open" not in summary


@pytest.mark.parametrize("where", ["size=3", "x" * (MAX_QUERY_LENGTH + 1)])
def test_an_invalid_filter_is_a_message(port, where):
    status, content = fetch_json(port, "/api/search", q="bird", where=where)
    assert status == 400 and "where" in content["error"]
    assert fetch(port, f"/?q=bird&where={where}")[0].status == 400


class ImageStub(StubSearcher):
    """A searcher that finds the last video for an image, whose features are the number of its bytes."""

    takes_images = True

    def search(self, text, k=10, corrected=True, allowed=None, image=None):
        if image is None:
            return super().search(text, k, corrected, allowed)
        found = dataclasses.replace(super().search("image", k, corrected, allowed), query=text)
        return dataclasses.replace(found, hits=found.hits[-1:], notes=[f"{image} bytes"])


@pytest.fixture
def image_port(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "embed_image", lambda collection, content, name: len(content))
    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    with serving(make_app(ImageStub(tmp_path, IDS), "Mine", tmp_path, LOCAL_HOSTS)) as port:
        yield port


def send(port, body, kind="image/png"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/api/image", body, {"Content-Type": kind})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_an_image_is_a_query(image_port):
    status, answer = send(image_port, b"x" * 7)
    assert status == 200
    _, body = fetch(image_port, f"/?image={answer['image']}")
    assert names(body) == ["cat"] and "note: 7 bytes" in body.decode() and "videos for the image" in body.decode()
    content = fetch_json(image_port, "/api/search", q="bird", image=answer["image"], where="folder=birds")[1]
    assert content["query"] == "bird" and [hit["id"] for hit in content["hits"]] == ["birds/blue"]
    assert send(image_port, b"x" * 7)[1] == answer != send(image_port, b"y" * 7)[1]
    assert 'id="image"' in body.decode() and f'value="{answer["image"]}" checked' in body.decode()


def test_images_that_cannot_be_searched_are_refused(image_port, port, monkeypatch):
    assert send(image_port, b"x" * 1001) == (400, {"error": "image: more than 0 MiB"})
    for kind in ("text/plain", "multipart/form-data", ""):
        assert send(image_port, b"x", kind) == (400, {"error": "image: expected the content type image/*"})
    assert fetch_json(image_port, "/api/search", q="", image="unknown")[0] == 400
    assert send(port, b"x")[1] == {"error": "image: the search in this collection takes none"}
    assert fetch_json(port, "/api/search", q="bird", image="x")[0] == 400
    assert 'id="image"' not in fetch(port, "/")[1].decode()


def test_only_the_last_images_are_known(image_port, monkeypatch):
    monkeypatch.setattr(images, "MAX_IMAGES", 2)
    tokens = [send(image_port, b"x" * n)[1]["image"] for n in (1, 2, 1, 3)]
    statuses = [fetch_json(image_port, "/api/search", q="", image=token)[0] for token in tokens]
    assert statuses == [200, 400, 200, 200]  # the first one was sent again after the second
