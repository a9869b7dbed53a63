"""Moments of long videos on the search page in a real browser, which seeks in the file."""

import dataclasses

import pytest
from helpers.browser import needs_browser
from helpers.ranking_pages import write_clip
from helpers.search_pages import StubSearcher, serving

from misc.searching.windows import Moment

pytestmark = needs_browser
MOMENTS = [Moment(20, 22, 0.5), Moment(5, 6.5, 0.25)]


class MomentSearcher(StubSearcher):
    """One video of 40 seconds with two moments."""

    def _hit(self, video, rank, weighted=False):
        return dataclasses.replace(super()._hit(video, rank, weighted), moments=MOMENTS if rank else [])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    pytest.importorskip("starlette")
    from misc.searching.serving.app import make_app

    folder = tmp_path_factory.mktemp("long")
    write_clip(folder / "videos" / "long film#1.webm", frames=480, sound=True)
    with serving(make_app(MomentSearcher(folder, ["long film#1"]), "Long", folder, ["*"])) as port:
        yield f"http://127.0.0.1:{port}"


def assert_plays(page, start, end):
    """Assert that the clip plays with sound from a time, and pauses at another."""
    player = page.locator(".clip video").element_handle()
    page.wait_for_function(f"x => !x.paused && x.currentTime > {start} && x.currentTime < {end}", arg=player)
    assert player.evaluate("x => x.controls && !x.muted && x.videoWidth === 64")
    assert player.evaluate("x => x.duration") == pytest.approx(40, abs=0.5)
    page.wait_for_function("x => x.paused", arg=player)
    assert player.evaluate("x => x.currentTime") == pytest.approx(end, abs=0.4)


def test_a_click_plays_the_best_moment_and_buttons_the_others(visit, base):
    page = visit(f"{base}/?q=bird", ready="#results", within=f"{base}/")
    player = page.locator(".clip video").element_handle()
    page.wait_for_function("x => x.readyState >= 2 && x.videoWidth === 64", arg=player)
    assert player.evaluate("x => x.paused && x.muted && x.currentTime") == pytest.approx(20, abs=0.2)
    page.locator(".clip").get_by_role("button").click()
    assert_plays(page, 20, 22)
    page.get_by_role("button", name="play long film#1 at 0:05-0:07").click()
    assert_plays(page, 5, 6.5)
    page.get_by_role("button", name="play long film#1 at 0:20-0:22").click()
    assert_plays(page, 20, 22)


def test_a_moment_is_chosen_before_the_clip_is(visit, base):
    page = visit(f"{base}/?q=bird", ready="#results", within=f"{base}/")
    page.get_by_role("button", name="play long film#1 at 0:05-0:07").click()
    assert_plays(page, 5, 6.5)


def test_the_file_is_read_in_ranges(visit, base):
    page = visit(f"{base}/?q=bird", ready="#results", within=f"{base}/")
    statuses = []
    page.on("response", lambda response: "/clip?" in response.url and statuses.append(response.status))
    page.get_by_role("button", name="play long film#1 at 0:05-0:07").click()
    assert_plays(page, 5, 6.5)
    assert statuses and set(statuses) == {206}


def test_without_scripts_the_best_moment_plays(visit, base):
    page = visit(f"{base}/?q=bird", java_script_enabled=False, within=f"{base}/")
    assert page.locator("video.plain").get_attribute("src").endswith("#t=20,22")
