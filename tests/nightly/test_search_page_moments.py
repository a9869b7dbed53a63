"""Moments of long videos on the search page in a real browser, which seeks in the file."""

import dataclasses

import pytest
from helpers import pyav_videos
from helpers.browser import assert_fits_and_can_be_read, needs_browser
from helpers.ranking_pages import write_clip
from helpers.search_pages import StubSearcher, serving

from misc.extraction.posters import Posters
from misc.searching.channels.channel import Evidence
from misc.searching.channels.fused_result import Finding, FusedHit
from misc.searching.windows import Moment
from misc.video_reading.media import Sampling
from misc.video_reading.poster import make_poster
from misc.video_reading.reader import read_video
from utils.visualizer.videos import POSTERS

pytestmark = needs_browser
MOMENTS = [Moment(20, 22, 0.5), Moment(5, 6.5, 0.25)]


HEARD = Finding(1, 3.5, [Evidence("speech", "a bird", [0, 1], times=[(30.2, 30.6), (12.75, 13.0), (30.7, 31.0)])])
SEEN = Finding(2, 0.25, [Evidence("frame", "7", times=[(8.5, 8.5)])])


class MomentSearcher(StubSearcher):
    """One video of 40 seconds with two moments, words with times and a frame."""

    def _hit(self, video, rank, weighted=False):
        hit = super()._hit(video, rank, weighted)
        fields = {field.name: getattr(hit, field.name) for field in dataclasses.fields(hit)}
        channels = {"words": HEARD, "zero_shot": SEEN} if rank else {}
        return FusedHit(**{**fields, "moments": MOMENTS if rank else []}, channels=channels)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    pytest.importorskip("starlette")
    from misc.searching.serving.app import make_app

    folder = tmp_path_factory.mktemp("long")
    write_clip(folder / "videos" / "long film#1.webm", frames=480, sound=True)
    with serving(make_app(MomentSearcher(folder, ["long film#1"]), "Long", folder, ["*"])) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(params=[".avi", ".mp4"], ids=["known", "noticed"])
def unplayable(request, tmp_path):
    """The address of a page of a video that the browser cannot play, as is known at once or noticed when it is played."""
    pytest.importorskip("starlette")
    from misc.searching.serving.app import make_app
    from misc.searching.serving.copies import open_copies

    (tmp_path / "videos").mkdir()
    path = tmp_path / "videos" / f"film{request.param}"
    codec = {".avi": ("mpeg4", "pcm_s16le"), ".mp4": ("libx265", "aac")}[request.param]
    sound = pyav_videos.sine(40, 48000, 440)
    pyav_videos.write(path, pyav_videos.flat(400), 10, sound, 48000, codec=codec[0], sound_codec=codec[1])
    poster = make_poster(read_video(path, Sampling(8, 160, 480, 600)))
    Posters(tmp_path / POSTERS).write("film", path, poster, 20)  # so that the clip is not loaded before it is played
    with (
        open_copies(tmp_path / "playable", 256 << 20) as copies,
        serving(make_app(MomentSearcher(tmp_path, ["film"]), "Odd", tmp_path, ["*"], copies)) as port,
    ):
        yield f"http://127.0.0.1:{port}", request.param == ".avi"


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


def assert_plays_on(page, start):
    """Assert that the clip plays with sound from a time, without an end."""
    player = page.locator(".clip video").element_handle()
    page.wait_for_function(f"x => !x.paused && x.currentTime > {start} && x.currentTime < {start + 2}", arg=player)
    assert player.evaluate("x => x.controls && !x.muted && x.src.split('#')[1]") == f"t={start}"


def test_times_of_words_and_frames_play_from_there(visit, base):
    page = visit(f"{base}/?q=bird", ready="#results", within=f"{base}/")
    found = page.get_by_role("list", name="found by")
    assert found.locator("li").all_inner_texts() == [
        "words 1 speech “a bird” at 0:30, 0:12",
        "zero_shot 2 similarity 0.250 of the frame at 8.5 s",
    ]
    page.get_by_role("button", name="play long film#1 at 0:30", exact=True).focus()
    page.keyboard.press("Enter")
    assert_plays_on(page, 30)
    found.get_by_role("button", name="play long film#1 at 0:12").click()
    assert_plays_on(page, 12)
    found.get_by_role("button", name="play long film#1 at 8.5 s").click()
    assert_plays_on(page, 8.5)
    page.get_by_role("button", name="play long film#1 at 0:05-0:07").click()
    assert_plays(page, 5, 6.5)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_times_fit_and_can_be_read(visit, base, scheme, width):
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    page = visit(f"{base}/?q=bird", ready="#results", within=f"{base}/", **options)
    assert page.get_by_role("button", name="play long film#1 at", disabled=False).count() == 5
    assert_fits_and_can_be_read(page, scheme, width, 20)


def test_the_file_is_read_in_ranges(visit, base):
    page = visit(f"{base}/?q=bird", ready="#results", within=f"{base}/")
    statuses = []
    page.on("response", lambda response: "/clip?" in response.url and statuses.append(response.status))
    page.get_by_role("button", name="play long film#1 at 0:05-0:07").click()
    assert_plays(page, 5, 6.5)
    assert statuses and set(statuses) == {206}


def test_a_copy_plays_from_the_moment(visit, unplayable):
    base, is_known = unplayable
    page = visit(f"{base}/?q=bird", ready="#results", within=f"{base}/")
    if not is_known:
        page.locator(".clip").hover()
    page.get_by_role("button", name="make a copy of film that plays").click()
    page.locator(".clip video[data-address*='/copy?']").wait_for()
    assert_plays(page, 20, 22)
    page.reload()  # the copy is known now
    page.locator(".clip").get_by_role("button").click()
    assert_plays(page, 20, 22)
    page.get_by_role("button", name="play film at 0:05-0:07").click()
    assert_plays(page, 5, 6.5)
    page.get_by_role("button", name="play film at 0:30").click()
    assert_plays_on(page, 30)
    page = visit(f"{base}/?q=bird", java_script_enabled=False, within=f"{base}/")
    assert page.locator("video.plain").get_attribute("src") == "/copy?id=film#t=20,22"


def test_a_time_makes_a_copy_that_plays_from_there(visit, unplayable):
    base, _ = unplayable
    page = visit(f"{base}/?q=bird", ready="#results", within=f"{base}/")
    page.get_by_role("button", name="play film at 0:05-0:07").click()
    page.locator(".clip video[data-address*='/copy?']").wait_for()
    assert_plays(page, 5, 6.5)


@pytest.mark.parametrize("unplayable", [".avi"], indirect=True)
def test_the_last_time_that_is_chosen_while_a_copy_is_made_plays(visit, unplayable):
    base, _ = unplayable
    page = visit(f"{base}/?q=bird", ready="#results", within=f"{base}/")
    for time in ("0:05-0:07", "0:30"):
        page.get_by_role("button", name=f"play film at {time}").click()
    page.locator(".clip video").wait_for()
    assert_plays_on(page, 30)


@pytest.mark.parametrize("unplayable", [".avi"], indirect=True)
def test_times_cannot_be_chosen_if_no_copy_can_be_made(visit, unplayable):
    base, _ = unplayable
    page = visit(f"{base}/?q=bird", ready="#results", within=f"{base}/")
    page.route("**/api/copy*", lambda route: route.fulfill(json={"state": "failed", "reason": "it is too long"}))
    page.get_by_role("button", name="play film at 0:30").click()
    page.get_by_text("no copy: it is too long").wait_for()
    times = page.get_by_role("button", name="play film at")
    assert times.evaluate_all("all => all.map((x) => x.disabled)") == [True] * 5


def test_without_scripts_the_best_moment_plays(visit, base):
    page = visit(f"{base}/?q=bird", java_script_enabled=False, within=f"{base}/")
    assert page.locator("video.plain").get_attribute("src").endswith("#t=20,22")
    assert page.locator("[data-start]:enabled").count() == 0
