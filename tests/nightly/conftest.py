"""Fixtures of the tests in a browser: the ranking pages and the search page, on servers and as files."""

import pytest
from helpers.browser import ATTACK
from helpers.ranking_site import serve, write_pages
from helpers.search_pages import serving
from helpers.search_site import make_searcher


@pytest.fixture(scope="module")
def ranking_folder(tmp_path_factory):
    return write_pages(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
def ranking_server(ranking_folder):
    """The address of a server of `ranking_folder`."""
    with serve(ranking_folder) as address:
        yield address


@pytest.fixture(params=["file", "http"])
def ranking_base(request, ranking_folder, ranking_server):
    """The address of `ranking_folder` as a file, or on the server."""
    return ranking_folder.as_uri() if request.param == "file" else ranking_server


@pytest.fixture(scope="module")
def page_searcher(tmp_path_factory):
    return make_searcher(tmp_path_factory.mktemp("collection"))


@pytest.fixture(scope="module")
def search_base(page_searcher):
    """The address of a server of the search page."""
    pytest.importorskip("starlette")
    from misc.searching.serving.app import make_app

    with serving(make_app(page_searcher, f"Odd {ATTACK}", page_searcher.folder, ["*"])) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def look(visit, search_base):
    """Open a view of the search page."""

    def look(address="/", **options):
        return visit(f"{search_base}{address}", ready="#results", within=f"{search_base}/", **options)

    return look
