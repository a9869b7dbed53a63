"""Posters over HTTP, and clips that no browser plays."""

import html
import re
import shutil
import urllib.parse

import pytest
from helpers.browser import ODD_IDS
from helpers.search_pages import StubSearcher, fetch, fetch_json, serving

from misc.extraction.posters import Posters
from utils.visualizer.videos import ALL_SUFFIXES

pytest.importorskip("starlette")
from misc.searching.serving.app import make_app  # noqa: E402
from misc.searching.serving.files import MEDIA_TYPES  # noqa: E402

OUTSIDE = "../outside"
IDS = [*ODD_IDS, "leads out", "leads within", "old", "film"]
FILES = {video: f"{video}.webm" for video in IDS if video != OUTSIDE} | {"old": "old.AVI", "film": "film.gif"}


def picture(video):
    return f"picture of {video}".encode()


@pytest.fixture
def folder(tmp_path):
    """A collection in which every video has a poster, whose folders are links."""
    folder, clips = tmp_path / "collection", tmp_path / "clips"
    folder.mkdir()
    (folder / "videos").symlink_to(clips)
    (tmp_path / "pictures").mkdir()
    (folder / "posters").symlink_to(tmp_path / "pictures")
    (tmp_path / "outside.webm").write_bytes(b"private")
    for name in FILES.values():
        path = clips / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a clip")
    for video, target in {"leads out": tmp_path / "outside.webm", "leads within": clips / "plain.webm"}.items():
        (clips / FILES[video]).unlink()
        (clips / FILES[video]).symlink_to(target)
    for video, name in FILES.items():
        Posters(folder / "posters").write(video, folder / "videos" / name, picture(video))
    return folder


@pytest.fixture
def port(folder):
    with serving(make_app(StubSearcher(folder, IDS), "Odd", folder, ["*"])) as port:
        yield port


def poster_path(video):
    return f"/poster?id={urllib.parse.quote(video, safe='')}"


def clip_data(port, path="/?q=bird"):
    """Return what a page says of each clip: id -> attributes."""
    found = {}
    for element in re.findall(r'<div class="(?:media|player)" ([^>]*)>', fetch(port, path)[1].decode()):
        data = {name: html.unescape(value) for name, value in re.findall(r'data-(\w+)(?:="([^"]*)")?', element)}
        found[data["id"]] = data
    return found


def test_a_part_of_a_long_video_has_a_poster_of_its_own(port, folder):
    Posters(folder / "posters").write("plain", folder / "videos" / FILES["plain"], b"picture of a part", 70)
    whole, path = picture("plain"), poster_path("plain")
    for time, content in (("70", b"picture of a part"), ("79.999", b"picture of a part"), ("80", whole), ("", whole)):
        assert fetch(port, f"{path}&t={time}")[1] == content
    for odd in ("-1", "nan", "1e3", "%D9%A7", "7" * 40, "7/../x"):
        assert fetch(port, f"{path}&t={odd}")[1] == whole


def test_posters_of_all_ids_are_served(port):
    for video in IDS:
        response, body = fetch(port, poster_path(video))
        if video in (OUTSIDE, "leads out"):
            assert (response.status, body) == (404, b"no such poster")
        else:
            assert (response.status, body, response.headers["Content-Type"]) == (200, picture(video), "image/jpeg")
            assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_pages_have_the_posters_and_names_of_files(port):
    found = clip_data(port)
    assert found.keys() == FILES.keys() - {"leads out"}
    for video, data in found.items():
        assert data["file"] == FILES[video].rpartition("/")[2]
        assert ("unplayable" in data) == (video in ("old", "film"))
        assert fetch(port, data["poster"])[1] == picture(video) and fetch(port, data["address"])[1] == b"a clip"
    assert clip_data(port, "/?video=plain")["plain"] == found["plain"]


def test_videos_without_a_poster_have_none_on_the_page(port, folder):
    shutil.rmtree((folder / "posters").resolve())
    assert not any("poster" in data for data in clip_data(port).values())
    assert fetch(port, poster_path("plain"))[0].status == 404


def test_the_poster_of_an_earlier_file_is_not_shown(port, folder):
    (folder / "videos" / "plain.webm").write_bytes(b"another clip")
    assert fetch(port, poster_path("plain"))[0].status == 404 and "poster" not in clip_data(port)["plain"]
    (folder / "videos" / "plain.webm").unlink()
    assert fetch(port, poster_path("plain"))[0].status == 404 and "plain" not in clip_data(port)


@pytest.mark.parametrize("whole", [False, True])
def test_a_poster_that_leads_out_of_the_folder_is_refused(port, folder, whole):
    path = Posters(folder / "posters").path("plain", folder / "videos" / "plain.webm")
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    if whole:  # the folder that it is in
        shutil.move(path.parent, outside / "moved")
        path.parent.symlink_to(outside / "moved")
    else:
        (outside / "private.jpg").write_bytes(b"private")
        path.unlink()
        path.symlink_to(outside / "private.jpg")
    assert fetch(port, poster_path("plain"))[0].status == 404 and "poster" not in clip_data(port)["plain"]


@pytest.mark.parametrize("asked", ["", "?id=", "?id=../outside", "?id=plain.webm", "?id=of%20nobody", "?id=plain%00", "/x"])
def test_nothing_else_is_a_poster(port, asked):
    assert fetch(port, f"/poster{asked}")[0].status == 404
    assert fetch(port, f"/poster{asked}", "POST")[0].status in (404, 405)


def test_files_that_no_browser_plays_are_served_too(port):
    for video, media_type in (("film", "image/gif"), ("old", "video/x-msvideo")):
        response, body = fetch(port, f"/clip?id={video}")
        assert (response.status, body, response.headers["Content-Type"]) == (200, b"a clip", media_type)
    assert fetch_json(port, "/api/video", id="film")[1]["video"]["clip"] == "/clip?id=film"
    assert MEDIA_TYPES.keys() == set(ALL_SUFFIXES)
