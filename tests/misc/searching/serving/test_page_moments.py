"""Moments on the search page."""

import dataclasses
import html
import re

import pytest
from helpers.ranking_pages import write_clip
from helpers.search_pages import StubSearcher, fetch, fetch_json, serving

from misc.extraction.posters import Posters

pytest.importorskip("starlette")
from misc.searching.channels.channel import Evidence  # noqa: E402
from misc.searching.channels.fused_result import Finding, FusedHit  # noqa: E402
from misc.searching.running import LOCAL_HOSTS  # noqa: E402
from misc.searching.serving.app import make_app  # noqa: E402
from misc.searching.windows import Moment  # noqa: E402


class MomentSearcher(StubSearcher):
    """Two long videos with two moments and a word at a time, one of them without a file, a short one, and another kind."""

    def _hit(self, video, rank, weighted=False):
        hit = super()._hit(video, rank, weighted)
        if video == "c" or not rank:
            return hit
        fields = {field.name: getattr(hit, field.name) for field in dataclasses.fields(hit)}
        fields["moments"] = [Moment(70, 80, 0.5), Moment(0, 2.5, 0.25)]
        words = Finding(1, 1.0, [Evidence("speech", "a bird", [3], times=[(71.5, 72)])])
        return FusedHit(**fields, channels={"words": words})


@pytest.fixture
def port(tmp_path):
    for name in ("a", "c"):
        write_clip(tmp_path / "videos" / f"{name}.webm")
    (tmp_path / "videos" / "d.avi").write_text("old")
    with serving(make_app(MomentSearcher(tmp_path, ["a", "b", "c", "d"]), "Mine", tmp_path, LOCAL_HOSTS)) as port:
        yield port


def test_a_tile_plays_the_best_moment_and_lists_all(port):
    _, body = fetch(port, "/?q=bird")
    page = body.decode()
    assert page.count('data-address="/clip?id=a#t=70,80"') == 1 and 'src="/clip?id=a#t=70,80"' in page
    button = '<button type="button" data-start="{}" data-end="{}" disabled aria-label="play a at {}">{}</button>'
    for start, end, text in ((70, 80, "1:10-1:20"), (0, 2.5, "0:00-0:03")):
        assert button.format(start, end, text, text) in page
    assert 'data-address="/clip?id=c"' in page and page.count('class="moments"') == 3
    _, body = fetch(port, "/")
    assert "#t=" not in body.decode() and 'class="moments"' not in body.decode()


def test_times_of_words_are_buttons_where_a_clip_can_be_played(port):
    page = fetch(port, "/?q=bird")[1].decode()
    button = '<button type="button" data-start="71" disabled aria-label="play a at 1:11">1:11</button>'
    assert f"speech “a bird” at {button}" in page and page.count("</span> speech “a bird” at 1:11</li>") == 2
    assert page.count("data-start") == 3 and page.count("<span>1:10-1:20</span>") == 2


def test_a_tile_shows_the_poster_of_the_best_moment(port, tmp_path):
    posters, file = Posters(tmp_path / "posters"), tmp_path / "videos" / "a.webm"
    for content, time in ((b"whole", None), (b"70 to 80", 75), (b"0 to 10", 0)):
        posters.write("a", file, content, time)
    for path, expected in (("/?q=bird", b"70 to 80"), ("/", b"whole"), ("/?video=a", b"whole")):
        (address,) = {html.unescape(x) for x in re.findall(r'poster="([^"]*)"', fetch(port, path)[1].decode())}
        assert fetch(port, address)[1] == expected


def test_json_has_the_moments_and_an_address_that_plays_the_best(port):
    _, content = fetch_json(port, "/api/search", q="bird")
    first, second, third, _ = content["hits"]
    assert first["moments"] == [{"start": 70, "end": 80, "score": 0.5}, {"start": 0, "end": 2.5, "score": 0.25}]
    assert (first["clip"], second["clip"], third["clip"]) == ("/clip?id=a#t=70,80", None, "/clip?id=c")
    assert third["moments"] == []
