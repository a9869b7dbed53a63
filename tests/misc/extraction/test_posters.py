"""Posters of extracted videos: made once, again when a file changes, and deleted with it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.extraction import ARCHIVE, contents, failures, film, long_film
from PIL import Image

from misc.extraction import extraction
from misc.extraction.posters import Posters, versioned_name
from misc.extraction.worker import ExtractionTask, Worker

POSTERS = Path("data/Mine/posters")


def brightness(video, file, time=None):
    """Return the mean of the lower half of a poster, which is a gray of `helpers.extraction.film`."""
    return np.asarray(Image.open(Posters(POSTERS).find(video, file, time))).astype(int)[20:].mean()


def test_every_video_has_a_poster_whatever_its_name(eleven_videos, extract):
    out, _ = extract()
    assert len(contents(POSTERS)) == 11 and "poster " in out
    for number, (video, file) in enumerate(eleven_videos.items()):
        assert abs(brightness(video, file) - (200 if number % 2 else 40)) < 8


def test_posters_are_made_once(eleven_videos, extract):
    extract()
    before = {path: path.stat().st_mtime_ns for path in POSTERS.rglob("*.jpg")}
    out, seen = extract()
    assert seen == {} and "without a poster" not in out
    assert {path: path.stat().st_mtime_ns for path in POSTERS.rglob("*.jpg")} == before


def test_collections_of_earlier_versions_get_posters_without_another_extraction(eleven_videos, extract, monkeypatch):
    extract()
    posters, archive, shards = contents(POSTERS), contents(), contents(Path("data/Mine/extracted"))
    shutil.rmtree(POSTERS)
    film("new.mkv")
    times = {path: path.stat().st_mtime_ns for path in Path("data/Mine/extracted").rglob("*.npz")}
    tasks = []
    monkeypatch.setattr(extraction, "ExtractionTask", lambda *x, **y: tasks.append(ExtractionTask(*x, **y)) or tasks[-1])
    out, seen = extract()
    assert len(tasks) == 12 and all(task.with_moments and task.poster for task in tasks)
    assert seen == dict.fromkeys(eleven_videos, ()) | {"new": ("scene", "audio", "reader")}
    assert "11 extracted videos without a poster: only decoded for that\n12 videos, 11 of them already extracted" in out
    assert contents(POSTERS).items() >= posters.items() and len(contents(POSTERS)) == 12
    assert contents(Path("data/Mine/extracted")).items() >= shards.items() and archive.keys() == contents().keys()
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_a_changed_video_has_another_poster_and_one_that_is_gone_has_none(eleven_videos, extract):
    extract()
    film("a.mkv", 1)
    eleven_videos["z1"].unlink()
    extract()
    assert len(contents(POSTERS)) == 10
    assert brightness("a", eleven_videos["a"]) > 150
    os.utime(eleven_videos["a"], ns=(0, 0))
    assert Posters(POSTERS).find("a", eleven_videos["a"]) is None


def test_a_long_video_has_a_poster_of_each_part(extracted_tasks, extract):
    film("short.mkv")
    path = long_film("long.mkv")  # dark for 20 of its 34 s
    extract()
    assert len(contents(POSTERS)) == 1 + 1 + 4
    for time, gray in ((0, 40), (12.5, 40), (19.9, 40), (20, 200), (33, 200)):
        assert abs(brightness("long", path, time) - gray) < 8
    assert Posters(POSTERS).find("long", path, 40) == Posters(POSTERS).path("long", path)  # there is no such part
    before = contents(POSTERS)
    shutil.rmtree(POSTERS)
    out, seen = extract()  # without another extraction
    assert contents(POSTERS) == before and "2 extracted videos without a poster" in out
    path.unlink()
    extract()
    assert len(contents(POSTERS)) == 1


def test_the_poster_of_a_video_that_is_used_no_more_is_deleted(eleven_videos, extract):
    extract()
    eleven_videos["z1"].write_bytes(b"no video")
    extract()
    assert failures().keys() == {"z1"} and len(contents(POSTERS)) == 10


def test_a_video_without_a_poster_is_used_all_the_same(eleven_videos, extract, monkeypatch):
    """For example if its decoding takes too long this time."""
    extract()
    listed = (ARCHIVE / "all_list.txt").read_text()
    shutil.rmtree(POSTERS)

    def fail(media):
        raise ValueError("strange")

    monkeypatch.setattr("misc.extraction.worker.make_poster", fail)
    extract()
    assert failures() == {} and contents(POSTERS) == {} and (ARCHIVE / "all_list.txt").read_text() == listed


def test_a_query_by_a_file_makes_no_poster(extracted_tasks, monkeypatch):
    from misc.extraction.settings import read_settings
    from misc.extraction.worker import ExtractionTask

    monkeypatch.setattr("misc.extraction.worker.make_poster", None)
    path = film("a.mkv")
    worker = Worker(read_settings(Path("config.json"), "scene").model_dump_json(), "cpu", 1)
    result = worker.extract(ExtractionTask("a", path, ("scene",)))
    assert result.failure is None and result.poster is None


def test_names_depend_on_the_video_and_its_file(tmp_path):
    one, other = tmp_path / "one.mp4", tmp_path / "other.mp4"
    for path in (one, other):
        path.write_bytes(b"film")
        os.utime(path, ns=(0, 10**18))
    names = [versioned_name("a", one), versioned_name("b", one), versioned_name("a", other)]
    os.utime(one, ns=(0, 10**18 + 1))
    names.append(versioned_name("a", one))
    one.write_bytes(b"films")
    os.utime(one, ns=(0, 10**18))
    names.append(versioned_name("a", one))
    assert len(set(names)) == 5 and all(Path(name).parent.name == Path(name).name[:2] for name in names)
    one.write_bytes(b"film")
    os.utime(one, ns=(0, 10**18))
    assert versioned_name("a", one) == names[0] == versioned_name("a", one)
    with pytest.raises(FileNotFoundError):
        versioned_name("a", tmp_path / "gone.mp4")


def test_posters_that_are_not_kept_are_removed(tmp_path):
    posters, file = Posters(tmp_path / "posters"), tmp_path / "a.mp4"
    file.write_bytes(b"film")
    posters.write("a", file, b"part", 25.0)
    assert posters.find("a", file) is None
    posters.write("a", file, b"picture")
    assert posters.find("a", file).read_bytes() == b"picture" == posters.find("a", file, 31).read_bytes()
    assert posters.find("a", file, 29).read_bytes() == b"part"
    posters.remove_others([posters.path("a", file)])
    assert len(list(posters.folder.rglob("*.jpg"))) == 2
    posters.remove_others([])
    assert posters.find("a", file) is None and posters.find("a", tmp_path / "gone.mp4") is None
    assert not list(posters.folder.rglob("*.jpg"))
