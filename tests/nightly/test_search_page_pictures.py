"""Posters on the pages of a search, clips that a browser cannot play, and copies of them, in a real browser."""

import shutil

import numpy as np
import pytest
from helpers import pyav_videos
from helpers.browser import assert_fits_and_can_be_read, needs_browser
from helpers.search_pages import StubSearcher, serving

from misc.extraction.posters import Posters
from misc.searching.channels.fused_searcher import NoModel
from misc.searching.result import write_page
from misc.video_reading.media import Sampling
from misc.video_reading.poster import make_poster
from misc.video_reading.reader import read_video
from utils.visualizer.videos import LINK, POSTERS, link_videos

pytestmark = needs_browser

PLAIN, H265, SILENT, GIF, AVI, CUT = "plain ü #1 100%", "h265", "silent h265", "an <b>animation", "old", "cut"
CODECS = {PLAIN: (".mp4", "libx264"), H265: (".mp4", "libx265"), SILENT: (".mp4", "libx265")}
CODECS |= {GIF: (".gif", "gif"), AVI: (".AVI", "mpeg4"), CUT: (".avi", "mpeg4")}
MORE = [f"more {i}" for i in range(20)]
HEARD = "x => !x.paused && !x.muted && x.currentTime > 0.2 && x.webkitAudioDecodedByteCount > 0"
NOTE = "this browser cannot play it"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A collection of clips of a moving square, all but one with posters."""
    folder = tmp_path_factory.mktemp("collection")
    (folder / "videos").mkdir()
    frames = np.full((60, 72, 128, 3), 90, np.uint8)
    for i, frame in enumerate(frames):
        frame[20:50, i : i + 40] = (250, 200, 10)
    posters, sound = Posters(folder / POSTERS), pyav_videos.sine(6, 48000, 440)
    for video, (suffix, codec) in CODECS.items():
        path = folder / "videos" / f"{video}{suffix}"
        heard = None if video in (SILENT, GIF) else sound
        with_sound = {"sound_codec": "aac" if suffix == ".mp4" else "pcm_s16le"}
        form = "avi" if suffix == ".AVI" else None
        pyav_videos.write(path, frames, 10, heard, 48000, form=form, codec=codec, **with_sound)
        if video != CUT:
            posters.write(video, path, make_poster(read_video(path, Sampling(8, 160, 480, 600))))
    for video in MORE:
        path = folder / "videos" / f"{video}.mp4"
        shutil.copy(folder / "videos" / f"{PLAIN}.mp4", path)
        posters.write(video, path, make_poster(read_video(path, Sampling(8, 160, 480, 600))))
    path = folder / "videos" / f"{CUT}.avi"
    path.write_bytes(path.read_bytes()[:300])
    return folder


@pytest.fixture(scope="module")
def searcher(folder):
    return StubSearcher(folder, [*CODECS, *MORE])


@pytest.fixture
def open_page(visit, searcher, folder):
    """Open a view of the search page, whose server makes copies, and yield the page and the addresses that it requests."""
    pytest.importorskip("starlette")
    from misc.searching.serving.app import make_app
    from misc.searching.serving.copies import open_copies

    shutil.rmtree(folder / "playable", ignore_errors=True)
    with (
        open_copies(folder / "playable", 256 << 20) as copies,
        serving(make_app(searcher, "Odd", folder, ["*"], copies)) as port,
    ):
        base = f"http://127.0.0.1:{port}"

        def open_page(address="/?q=bird", **options):
            return visit(f"{base}{address}", ready="#results", within=f"{base}/", **options)

        yield open_page


def tile_of(page, video):
    return page.locator(".tile").filter(has=page.get_by_role("link", name=video, exact=True))


def loaded(page):
    """Return how many players have a file, and how many show a poster."""
    players = page.locator(".tile video")
    return players.evaluate_all("all => [all.filter((x) => x.src).length, all.filter((x) => x.poster).length]")


def assert_note(page, place, video):
    """Assert that the poster of a clip says that it cannot be played, and offers the file."""
    place.get_by_text(NOTE).wait_for()
    link = place.get_by_role("link", name=f"get the file of {video}", exact=True)
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename.lower() == f"{video}{CODECS[video][0]}".lower().replace("<", "_").replace(
        ">", "_"
    )
    if video != CUT:
        picture = place.locator("img").element_handle()
        page.wait_for_function("x => x.complete && x.naturalWidth === 128", arg=picture)
    assert place.locator("video").count() == 0


def test_posters_are_shown_at_once_and_clips_load_when_they_are_played(open_page):
    page = open_page()
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.reload()
    page.wait_for_load_state("networkidle")
    assert loaded(page) == [0, 9]  # three of twelve are no clips
    assert not any("/clip?" in url for url in requests) and sum("/poster?" in url for url in requests) == 11
    sizes = page.locator(".tile video").evaluate_all("""all => Promise.all(all.map((x) => {
        const image = Object.assign(new Image(), { src: x.poster });
        return image.decode().then(() => image.width);
    }))""")
    assert sizes == [128] * 9
    tile = tile_of(page, PLAIN)
    tile.locator(".clip").hover()
    player = tile.locator("video").element_handle()
    page.wait_for_function("x => !x.paused && x.currentTime > 0.2 && x.videoWidth === 128", arg=player)
    assert player.evaluate("x => x.muted") and loaded(page) == [1, 9]


@pytest.mark.parametrize("touch", [False, True])
def test_a_chosen_clip_is_heard_and_seeks(open_page, touch):
    page = open_page(has_touch=touch)
    ranges = []
    page.on("response", lambda x: "/clip?" in x.url and ranges.append((x.status, x.request.headers.get("range"))))
    tile = tile_of(page, PLAIN)
    player = tile.locator("video").element_handle()
    button = tile.locator(".clip").get_by_role("button")
    button.tap() if touch else button.click()
    page.wait_for_function(HEARD, arg=player)
    assert player.evaluate("x => x.controls && x === document.activeElement")
    player.evaluate("x => { x.pause(); x.currentTime = 5; }")
    page.wait_for_function("x => !x.seeking && x.readyState >= 2 && Math.abs(x.currentTime - 5) < 0.1", arg=player)
    assert ranges and all(status == 206 and asked for status, asked in ranges)


def test_a_chosen_clip_that_was_out_of_sight_plays_again(open_page):
    page = open_page("/?q=bird&k=26", viewport={"width": 390, "height": 700})
    tile = tile_of(page, PLAIN)
    tile.locator(".clip").get_by_role("button").click()
    player = tile.locator("video").element_handle()
    page.wait_for_function(HEARD, arg=player)
    page.locator(".tile").last.scroll_into_view_if_needed()
    page.wait_for_function("x => !x.src", arg=player)
    tile.scroll_into_view_if_needed()
    page.wait_for_function("x => x.src && x.controls", arg=player)
    player.evaluate("x => x.play()")
    page.wait_for_function(HEARD, arg=player)


@pytest.mark.parametrize("video", [H265, SILENT])
def test_h265_is_noticed_when_it_is_played(open_page, video):
    page = open_page()
    tile = tile_of(page, video)
    assert tile.get_by_text(NOTE).count() == 0
    tile.locator(".clip").get_by_role("button").click()
    tile.get_by_text(NOTE).wait_for()
    assert page.evaluate("document.activeElement.closest('.note') !== null")
    assert_note(page, tile, video)


@pytest.mark.parametrize("video", [GIF, AVI, CUT])
def test_files_that_no_browser_plays_are_told_at_once(open_page, video):
    page = open_page()
    assert_note(page, tile_of(page, video), video)


@pytest.mark.parametrize("video", [H265, AVI])
def test_a_copy_is_made_on_demand_and_played(open_page, video):
    page = open_page()
    tile = tile_of(page, video)
    if video == H265:
        tile.locator(".clip").get_by_role("button").click()
    tile.get_by_role("button", name=f"make a copy of {video} that plays").click()
    tile.locator("video").wait_for()
    player = tile.locator("video").element_handle()
    page.wait_for_function(
        f"x => ({HEARD})(x) && x.videoWidth === 128 && x.controls && x === document.activeElement", arg=player
    )
    player.evaluate("x => { x.pause(); x.currentTime = 5; }")
    page.wait_for_function("x => !x.seeking && x.readyState >= 2 && Math.abs(x.currentTime - 5) < 0.1", arg=player)
    page.reload()  # the copy is known now
    tile.locator(".clip").get_by_role("button").click()
    page.wait_for_function(HEARD, arg=tile.locator("video").element_handle())
    tile.locator(".name a").click()
    page.wait_for_url("**/?video=*")
    player = page.locator(".player video").element_handle()
    assert player.evaluate("x => x.controls && !x.muted && x.preload === 'none' && x.poster !== ''")
    player.evaluate("x => x.play()")
    page.wait_for_function(HEARD, arg=player)


def test_a_copy_that_cannot_be_made_says_why(open_page):
    page = open_page()
    tile = tile_of(page, CUT)
    tile.get_by_role("button", name=f"make a copy of {CUT} that plays").click()
    note = tile.locator(".note")
    page.wait_for_function("x => x.textContent.startsWith('no copy: ')", arg=note.element_handle())
    assert len(note.inner_text()) > len("no copy: get the file") and note.get_by_role("link").count() == 1


@pytest.mark.parametrize("video", [H265, SILENT, AVI])
def test_the_page_of_a_video_says_that_it_cannot_be_played(open_page, video):
    page = open_page(f"/?video={video}")
    if video != AVI:
        page.locator(".player video").evaluate("x => { x.play().catch(() => {}); }")
    place = page.locator(".subject")
    assert_note(page, place, video)
    place.get_by_role("button", name=f"make a copy of {video} that plays").click()
    page.wait_for_function("() => document.querySelector('.subject video')?.currentTime > 0.2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_notes_fit_and_are_readable(open_page, scheme, width):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.get_by_text(NOTE).first.wait_for()
    assert_fits_and_can_be_read(page, scheme, width, 30)


def test_the_page_of_results_has_posters(visit, folder, tmp_path):
    def poster(video):
        address = searcher.get_clip(video)
        path = address and Posters(folder / POSTERS).find(video, folder / "videos" / f"{video}{CODECS[video][0]}")
        return path and path.relative_to(folder).as_posix()

    searcher, page_folder = StubSearcher(folder, CODECS), tmp_path / "page"
    details = {"name": "Odd", "videos": 6, "checkpoint": None, "bank": None, "no_match": None, "remarks": []}
    write_page(page_folder, searcher.search("bird", 6), [], NoModel(), poster=lambda hit: poster(hit.id), **details)
    for name in (LINK, POSTERS):
        link_videos(page_folder, folder / name, name)
    page = visit((page_folder / "index.html").as_uri(), ready=".tiles li")
    assert page.locator("video").evaluate_all("all => all.map((x) => [x.src, x.poster !== ''])") == [["", True]] * 3
    page.wait_for_function("() => [...document.querySelectorAll('img')].every((x) => x.naturalWidth === 128)")
    assert page.locator(".note").count() == 3 and page.locator("img").count() == 2
    page.locator(".clip").first.get_by_role("button").click()
    page.wait_for_function(HEARD, arg=page.locator("video").first.element_handle())
