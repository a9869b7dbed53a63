"""A searcher with known results, and the search page on a real server."""

import contextlib
import dataclasses
import html
import http.client
import json
import re
import threading
import time
import urllib.parse

from misc.searching.result import CaptionHit, Hit, SearchResult
from utils.errors import InputError
from utils.visualizer.videos import find_videos

EXPERTS = ["audio", "ocr", "rgb", "scene"]
WEIGHTS = dict(zip(EXPERTS, [0.1, 0.4, 0.3, 0.2], strict=True))


class StubSearcher:
    """A searcher that finds all videos in their order for every query. Video i lacks expert i modulo 5, if there is one.

    Attributes:
        asked: the calls, as (method, argument, k).
        threads: how many were in it at most.
    """

    def __init__(self, folder, ids, captions=None, words=None, bank=None):
        self.experts, self.ids = EXPERTS, list(ids)
        self._captions, self._words = captions or {}, words or {}
        self._clips = find_videos(folder / "videos")
        self.lacking, self.bank = [], bank
        self.asked, self.threads, self._inside = [], 0, 0
        self.wait = threading.Event()
        self.wait.set()

    def search(self, text, k=10, corrected=True, allowed=None):
        with self._call("search", text, k):
            if not text.strip():
                raise InputError("query: empty, expected some words")
            if text == "?":
                raise InputError("query: '?' has no word that the text encoder knows")
            if text == "crash":
                raise ZeroDivisionError
            found = [video for video in self.ids if allowed is None or video in allowed]
            hits = [self._hit(video, rank, True) for rank, video in enumerate(found[:k], 1)]
            if self.bank and corrected and text != "not corrected":
                hits = [dataclasses.replace(hit, normalized=hit.similarity - 0.25) for hit in hits]
            doubt = "a <b>reason" if text == "nonsense" else None
            return SearchResult(text, WEIGHTS, hits, doubt=doubt, notes=["a note"] if doubt else [])

    @property
    def collection(self):
        """Itself: a filter asks it for its `ids`."""
        return self

    def similar(self, video_id, k=10):
        with self._call("similar", video_id, k):
            others = [video for video in self.ids if video != video_id][:k]
            return SearchResult(video_id, None, [self._hit(video, rank) for rank, video in enumerate(others, 1)])

    def v2t(self, video_id, k=10, corrected=True):
        with self._call("v2t", video_id, k):
            captions = {video: enumerate(self._captions.get(video, [])) for video in self.ids}
            found = [(video, f"{video}#{n}", caption) for video in self.ids for n, caption in captions[video]][:k]
            weights, normalized = self._applied(video_id), 0.125 if self.bank and corrected else None
            return [CaptionHit(rank, *pair, 1 / rank, weights, normalized) for rank, pair in enumerate(found, 1)]

    def get_hit(self, video_id):
        return self._hit(video_id, 0)

    def get_captions(self, video_id):
        return self._captions.get(video_id, [])

    def get_words(self, video_id):
        return self._words.get(video_id, {})

    def get_file(self, video_id):
        return None

    def load_video(self, name, video_id):
        return None

    def __contains__(self, video_id):
        return video_id in self.ids

    def get_clip(self, video_id):
        return self._clips.get(video_id)

    def close(self):
        """Do nothing."""

    def experts_of(self, video_id):
        return [name for i, name in enumerate(EXPERTS) if i != self.ids.index(video_id) % 5]

    def _applied(self, video_id):
        has = self.experts_of(video_id)
        total = sum(WEIGHTS[name] for name in has)
        return {name: WEIGHTS[name] / total if name in has else 0.0 for name in EXPERTS}

    def _hit(self, video, rank, weighted=False):
        similarity = 0.9 - 0.05 * rank if rank else None
        weights = self._applied(video) if weighted else None
        captions, words = self.get_captions(video)[:3], self.get_words(video)
        return Hit(rank, video, similarity, weights, self.experts_of(video), captions, words, self.get_clip(video))

    @contextlib.contextmanager
    def _call(self, *call):
        self.asked.append(call)
        self._inside += 1
        self.threads = max(self.threads, self._inside)
        assert self.wait.wait(20)
        yield
        self._inside -= 1


@contextlib.contextmanager
def serving(app):
    """Run a server of `app` in a thread and yield its port.

    At the end the server is told to stop and not waited for: it would take 0.15 s of nothing but sleep.
    """
    import uvicorn

    from misc.searching.running import bind_socket
    from misc.searching.serving.files import hide_unfinished_responses

    hide_unfinished_responses()
    listener = bind_socket("127.0.0.1", 0)
    listener.listen()
    options = {"ws": "none", "lifespan": "off", "log_config": None, "access_log": False}
    options |= {"log_level": "warning", "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(uvicorn.Config(app, http="h11", **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True


def fetch(port, path, method="GET", **headers):
    """Return a response and its body; unlike other clients this one does not normalize the path."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def fetch_json(port, path, **values):
    """Return status and content of a JSON response."""
    response, body = fetch(port, f"{path}?{urllib.parse.urlencode(values)}")
    assert response.headers["content-type"] == "application/json"
    return response.status, json.loads(body)


def wait_until(condition):
    """Wait until a condition is true."""
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("the condition is still false")


def page_text(body):
    """Return the text of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body.decode())).split())
