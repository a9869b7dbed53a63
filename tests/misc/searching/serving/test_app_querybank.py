"""The search page of an index with a query bank."""

import pytest
from helpers.search_pages import StubSearcher, fetch, fetch_json, serving

pytest.importorskip("starlette")
from misc.searching.running import LOCAL_HOSTS  # noqa: E402
from misc.searching.serving.app import make_app  # noqa: E402

BANK = "query bank of 80 captions of Toy"
ORDERED = f"Ordered after correction by the {BANK}"


@pytest.fixture
def port(tmp_path):
    searcher = StubSearcher(tmp_path, [f"video{i}" for i in range(30)], {"video0": ["a bird"]}, bank=BANK)
    with serving(make_app(searcher, "Toy", tmp_path, LOCAL_HOSTS)) as port:
        yield port


@pytest.mark.parametrize("query", ["q=a+bird", "video=video3"])
def test_the_page_says_that_it_is_corrected_and_leads_to_the_uncorrected_results(port, query):
    page = fetch(port, f"/?{query}")[1].decode()
    ordered = ORDERED if "q=" in query else "Ordered after correction by the query bank of training videos"
    assert ordered in page and page.count(">corrected<") > 0
    address = query.replace("+", "%20") + "&amp;bank=0"
    assert f'<a href="/?{address}">without it</a>' in page
    plain = fetch(port, f"/?{query}&bank=0")[1].decode()
    assert "Ordered after correction" not in plain and ">corrected<" not in plain
    assert f'Ordered without the query bank (<a href="/?{query.replace("+", "%20")}">with it</a>)' in plain
    assert f'{address}&amp;k=24#rank-13"' in plain and f'{query.replace("+", "%20")}&amp;k=24#rank-13"' in page


def test_a_query_that_the_bank_leaves_as_it_is_says_so(port):
    page = fetch(port, "/?q=not+corrected")[1].decode()
    assert f"The {BANK} leaves the order as it is" in page and ">corrected<" not in page


def test_programs_choose_too(port):
    assert fetch_json(port, "/api/search", q="a bird", k=2)[1]["hits"][1]["normalized"] == pytest.approx(0.55)
    assert fetch_json(port, "/api/search", q="a bird", k=2, bank=0)[1]["hits"][1]["normalized"] is None
    assert fetch_json(port, "/api/video", id="video1", bank=1)[1]["captions"][0]["normalized"] == 0.125
    assert fetch_json(port, "/api/video", id="video1", bank=0)[1]["captions"][0]["normalized"] is None


@pytest.mark.parametrize("value", ["", "2", "no", "00"])
def test_another_choice_is_refused(port, value):
    assert fetch_json(port, "/api/search", q="a bird", bank=value)[0] == 400
    response, body = fetch(port, f"/?q=a+bird&bank={value}")
    assert response.status == 400 and "expected 0 or 1" in body.decode()
