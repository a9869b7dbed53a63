"""Images as queries of the search page."""

import contextlib
import dataclasses
import http.client
import json
import re

import pytest
from helpers.search_pages import StubSearcher, fetch, fetch_json, serving

pytest.importorskip("starlette")
from misc.searching.running import LOCAL_HOSTS  # noqa: E402
from misc.searching.serving import images  # noqa: E402
from misc.searching.serving.app import make_app  # noqa: E402

IDS = ["birds/red", "birds/blue", "cat"]


def names(body):
    return re.findall(r'<h3 class="name"><a [^>]*title="([^"]*)"', body.decode())


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
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
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


def test_images_that_cannot_be_searched_are_refused(image_port, tmp_path):
    assert send(image_port, b"x" * 1001) == (400, {"error": "image: more than 0 MiB"})
    for kind in ("text/plain", "multipart/form-data", ""):
        assert send(image_port, b"x", kind) == (400, {"error": "image: expected the content type image/*"})
    assert fetch_json(image_port, "/api/search", q="", image="unknown")[0] == 400
    with serving(make_app(StubSearcher(tmp_path, IDS), "Mine", tmp_path, LOCAL_HOSTS)) as port:
        assert send(port, b"x") == (400, {"error": "image: the search in this collection takes none"})
        assert fetch_json(port, "/api/search", q="bird", image="x")[0] == 400
        assert 'id="image"' not in fetch(port, "/")[1].decode()


def test_only_the_last_images_are_known(image_port, monkeypatch):
    monkeypatch.setattr(images, "MAX_IMAGES", 2)
    tokens = [send(image_port, b"x" * n)[1]["image"] for n in (1, 2, 1, 3)]
    statuses = [fetch_json(image_port, "/api/search", q="", image=token)[0] for token in tokens]
    assert statuses == [200, 400, 200, 200]  # the first one was sent again after the second
