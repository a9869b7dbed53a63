"""Which files of a folder are videos."""

from pathlib import Path

import numpy as np
from helpers import pyav_videos
from helpers.extraction import ARCHIVE, failures, film

from misc.extraction.shards import Shards
from misc.extraction.video_folder import list_files


def test_files_beside_a_video_do_not_replace_it(extracted_tasks, extract):
    """Programs that download videos leave pictures, subtitles and notes of the same name."""
    video = film("a.mkv")
    for suffix in ("jpg", "json", "srt", "txt", "aac", "html"):
        Path(f"clips/a.{suffix}").write_text("beside")
    film("other", 1)  # without other files of its name, a file without a suffix is used
    out, seen = extract()
    assert sorted(seen) == ["a", "other"]
    assert Shards(Path("data/Mine/extracted")).read("a").source[0] == video.name
    assert sorted((ARCHIVE / "all_list.txt").read_text().splitlines()) == ["a", "other"]
    assert failures() == {}
    assert "6 files skipped, not videos: 1 .aac, 1 .html, 1 .jpg, 1 .json, 1 .srt, 1 .txt\n" in out


def test_files_that_are_not_videos_are_counted(extracted_tasks, extract):
    """Known other suffixes are skipped and counted; all other files are opened, and refused by their content."""
    film("good.mkv")
    beside = ["1.JPG", "2.jpg", "sub/3.jpg", "README.txt", "README", "Thumbs.db", "desktop.ini", "good.srt", "song.mp3"]
    hidden = [".DS_Store", "sub/._good.mkv"]
    beside += ["good.mkv.part", "list.m3u8", "good.mkv~"]
    judged = ["moving.gif", "unknown", "strange.xyz", "broken.mp4", "sound.ogg"]
    for name in [*beside, *hidden, *judged]:
        Path("clips", name).parent.mkdir(exist_ok=True)
        Path("clips", name).write_bytes(b"beside")
    out, _ = extract()
    kinds = "3 .jpg, 1 .db, 1 .ini, 1 .m3u8, 1 .mp3, 1 .part, 1 .srt, 1 .txt, 1 readme, 1 ~"
    assert f"12 files skipped, not videos: {kinds}\n" in out
    assert {failure["file"] for failure in failures().values()} == set(judged)
    assert "failures.json: 5 files cannot be used, with the reason for each: 'broken', 'moving', 'sound' and 2 more\n" in out


def test_animated_pictures_are_videos(extracted_tasks, extract):
    Path("clips").mkdir()
    pyav_videos.write(
        Path("clips/moving.gif"),
        np.random.default_rng(0).integers(0, 255, (16, 64, 64, 3), np.uint8),
        8,
        form="gif",
        codec="gif",
    )
    _, seen = extract()
    assert list(seen) == ["moving"] and failures() == {}


def test_videos_of_a_folder_are_found_in_order(tmp_path):
    for name in ("b.mp4", "a.webm", "sub/c.mp4", ".hidden.mp4", "sub/.d.mp4", ".git/e.mp4", "sub/more/ f g.avi"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).touch()
    (tmp_path / "videos" / "nowhere.mp4").symlink_to("nowhere")
    elsewhere = tmp_path / "elsewhere.mp4"
    elsewhere.touch()
    (tmp_path / "videos" / "link.mp4").symlink_to(elsewhere)
    found = [str(path.relative_to(tmp_path / "videos")) for path in list_files(tmp_path / "videos")]
    assert found == ["a.webm", "b.mp4", "link.mp4", "sub/c.mp4", "sub/more/ f g.avi"]
