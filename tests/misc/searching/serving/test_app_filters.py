"""The search page: results that are not believable, notes, and filters."""

import html
import re

import pytest
from helpers.ranking_pages import write_clip
from helpers.search_pages import StubSearcher, fetch, fetch_json, page_text, serving

pytest.importorskip("starlette")
from misc.searching.running import LOCAL_HOSTS  # noqa: E402
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
    for empty in ("", "+"):
        assert names(fetch(port, f"/?q=bird&where={empty}")[1]) == IDS
    assert names(fetch(port, "/?q=bird&where=length%3C9")[1]) == []  # no file of the stub has a length
    (summary,) = re.findall(r'<details class="filter"(.*?)>', fetch(port, "/?q=bird")[1].decode())
    assert "open" not in summary


def test_a_filter_without_words_shows_the_videos_that_fit(port):
    body = fetch(port, "/?q=&where=folder%3Dbirds")[1]
    assert names(body) == IDS[:2] and f"2 of {len(IDS)} videos fit the filter" in page_text(body)
    assert "Nothing was asked for" not in page_text(body) and 'value="folder=birds"' in body.decode()
    body = fetch(port, "/?where=length%3C9")[1]  # no file of the stub has a length
    assert names(body) == [] and f"0 of {len(IDS)} videos fit the filter" in page_text(body)
    assert fetch(port, "/?where=size%3D3")[0].status == 400


@pytest.mark.parametrize("where", ["size=3", "x" * (MAX_QUERY_LENGTH + 1)])
def test_an_invalid_filter_is_a_message(port, where):
    status, content = fetch_json(port, "/api/search", q="bird", where=where)
    assert status == 400 and content["error"].startswith(("filter size=3: expected", "where: 501 characters"))
    assert fetch(port, f"/?q=bird&where={where}")[0].status == 400
