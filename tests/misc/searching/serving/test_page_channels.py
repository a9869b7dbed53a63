"""The search page of channels: without a model, and fused with one."""

import re

import pytest
from helpers.browser import ATTACK
from helpers.ranking_pages import write_clip
from helpers.search_pages import StubSearcher, fetch, fetch_json, serving

pytest.importorskip("starlette")
from misc.searching.channels.channel import Evidence  # noqa: E402
from misc.searching.channels.fused_result import Finding, FusedHit, FusedResult, as_dict  # noqa: E402
from misc.searching.result import Hit  # noqa: E402
from misc.searching.running import LOCAL_HOSTS  # noqa: E402
from misc.searching.serving.app import make_app  # noqa: E402

WORDS = Finding(1, 3.5, [Evidence("speech", f"thanks {ATTACK}", [0, 1])])
CONCEPTS = Finding(2, 0.5, [Evidence("rgb", "robin", probability=0.43)])
TRAINED = Finding(7, 0.25, [])


class FusedStub(StubSearcher):
    """A searcher of two videos by words, concepts and, with experts, a model."""

    def __init__(self, folder, has_model):
        super().__init__(folder, ["plain", "other"], {"plain": ["a caption"]}, {"plain": {"speech": ["thanks", "all"]}})
        self.experts = self.experts if has_model else []

    def search(self, text, k=10, corrected=True, allowed=None):
        if text == "nothing":
            return FusedResult(text, None, [], ["words", "concepts"], {})
        found = {"words": WORDS, "concepts": CONCEPTS}
        weights, similarity, percentile = None, None, None
        if self.experts:
            found["trained"], similarity, percentile = TRAINED, 0.25, 4.2
            weights = self._applied("plain")
        details = [self.experts, ["a caption"], {}, None, None, 0.03, found]
        first = FusedHit(1, "plain", similarity, weights, *details, percentile=percentile)
        second = FusedHit(2, "other", None, None, [], [], {}, None, None, 0.01, {"words": WORDS})
        return FusedResult(text, weights, [first, second][:k], list(found), {"gone": "a reason"})

    def get_hit(self, video):
        return Hit(0, video, None, None, self.experts, self.get_captions(video), self.get_words(video), None)

    def v2t(self, video, k=10, corrected=True):
        return super().v2t(video, k, corrected) if self.experts else []


@pytest.fixture(params=[False, True], ids=["no model", "model"])
def port(request, tmp_path):
    write_clip(tmp_path / "videos" / "plain.webm")
    app = make_app(FusedStub(tmp_path, request.param), "Mine", tmp_path, LOCAL_HOSTS)
    with serving(app) as port:
        yield port, request.param


def page(port, path):
    response, body = fetch(port, path)
    assert response.status == 200 and b"<script>window" not in body
    return " ".join(re.sub(r"<[^>]*>", " ", body.decode()).split()), body.decode()


def test_hits_say_which_channels_found_them(port, tmp_path):
    port, has_model = port
    text, markup = page(port, "/?q=thanks")
    assert "words 1 speech “thanks &lt;script&gt;" in text and "concepts 2 robin 43 %" in text
    assert markup.count('class="found"') == 2 and "not searched: gone : a reason" in text
    compared = "similarity 0.250 better than 4 % of nonsense queries"
    assert ("trained 7" in text) == has_model and (compared in text) == has_model
    assert ('title="4 of 100 nonsense queries have no video as similar' in markup) == has_model
    assert ("Captions that fit" in text) == has_model and ("experts of plain" in markup) == has_model
    status, content = fetch_json(port, "/api/search", q="thanks")
    expected = as_dict(FusedStub(tmp_path, has_model).search("thanks"))
    assert status == 200 and content["channels"] == expected["channels"] and content["absent"] == {"gone": "a reason"}
    assert content["hits"][0]["channels"] == expected["hits"][0]["channels"]


def test_no_hit_is_said(port):
    text, _ = page(port[0], "/?q=nothing")
    assert "No results: no video has these words, or similar ones, and no concept is close to them" in text


def test_a_video_has_a_page(port):
    port, has_model = port
    text, markup = page(port, "/?video=plain")
    assert "1 videos like this" in text and ("captions that fit" in text) == has_model
    assert ("By the mean features of the expert rgb" in text) == (not has_model)
    assert 'id="captions"' in markup if has_model else 'id="captions"' not in markup
    assert fetch_json(port, "/api/video", id="plain")[0] == 200


@pytest.mark.parametrize("has_model", [False, True])
def test_the_bank_of_a_model_is_mentioned_only_if_the_model_is_searched(tmp_path, has_model):
    searcher = FusedStub(tmp_path, has_model)
    searcher.bank = "query bank of 80 captions of Mine"
    with serving(make_app(searcher, "Mine", tmp_path, LOCAL_HOSTS)) as port:
        assert ("query bank of 80 captions" in fetch(port, "/?q=bird")[1].decode()) == has_model
