"""Files beside videos, and what remains from earlier extractions."""

import socket
import subprocess
from pathlib import Path

import numpy as np
from helpers import clips
from helpers.extraction import ARCHIVE, captions, failures, film

from misc.extraction.shards import Shards
from misc.extraction.video_folder import list_files


def test_nothing_old_remains_in_the_archive(eleven_videos, extract):
    """Fewer experts, a video that is gone, and no captions any more."""
    captions(eleven_videos)
    extract("--captions", "captions.json")
    gone, path = next(iter(eleven_videos.items()))
    path.unlink()
    out, _ = extract("--experts", "scene")
    assert sorted(path.name for path in ARCHIVE.glob("*.mp")) == ["scene.mp", "text-toy.mp"]
    assert "existing captions and lists are kept" in out
    listed = {part: (ARCHIVE / f"{part}_list.txt").read_text().splitlines() for part in ("all", "train", "val", "test")}
    assert sorted(listed.pop("all")) == sorted(set(eleven_videos) - {gone})
    assert gone not in sum(listed.values(), []) and len(sum(listed.values(), [])) == len(eleven_videos) - 1


def test_an_unreachable_cluster_is_one_line(eleven_videos, refused_extraction, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    line = f"--address (or RAY_ADDRESS) {address}: cannot be reached"
    assert line in refused_extraction("--engine", "ray", "--address", address)
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert line in refused_extraction("--engine", "ray")


def test_files_beside_a_video_do_not_replace_it(extracted_tasks, extract):
    """Pictures, subtitles and notes of the same name, as programs that fetch videos leave them."""
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
    """As cameras, desktops and people leave it; whatever else is there is judged by its content."""
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
    clips.write(
        Path("clips/moving.gif"),
        np.random.default_rng(0).integers(0, 255, (16, 64, 64, 3), np.uint8),
        8,
        form="gif",
        codec="gif",
    )
    _, seen = extract()
    assert list(seen) == ["moving"] and failures() == {}


def test_generated_configs_are_ignored_by_git(extracted_tasks, extract):
    def untracked():
        return git("ls-files", "--others", "--exclude-standard", "configs").split()

    def git(*arguments):
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout

    published = ["configs/demo/train-full-ce.json", "configs/msrvtt/train-full-ce.json"]
    for path in published:
        Path(path).parent.mkdir(parents=True)
        Path(path).write_text("{}")
    git("init", "-q")
    git("add", "configs")
    captions([film(f"{i}.mkv", i).stem for i in range(5)])
    extract("--captions", "captions.json")
    assert Path("configs/Mine/train-full-ce.json").exists() and untracked() == []
    own = Path("configs/Mine/train-own.json")
    own.write_text("{}")
    assert untracked() == [str(own)]  # it is a person's
    own.unlink()
    Path("configs/Mine/.gitignore").unlink()  # as an older version left it
    assert untracked() == ["configs/Mine/train-full-ce.json"]
    extract("--captions", "captions.json")
    assert untracked() == [] and git("ls-files", "configs").split() == published
    Path("configs/Mine/train-full-ce.json").rename("configs/demo/other.json")
    Path("configs/Mine/.gitignore").unlink()
    Path("configs/demo").rename("configs/Mine/")  # with configs of somebody nothing is ignored
    extract("--captions", "captions.json")
    assert not Path("configs/Mine/.gitignore").exists()


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


def test_words_of_videos_that_are_gone_are_not_kept(extracted_tasks, extract):
    """Of the last video in which an expert read some, which a search would show with no other."""
    film("dark.mkv", 0)
    film("bright.mkv", 1)
    extract()
    assert (ARCHIVE / "reader-words.json").exists() and (ARCHIVE / "reader.mp").exists()
    Path("clips/bright.mkv").unlink()
    extract()
    assert not (ARCHIVE / "reader-words.json").exists() and not (ARCHIVE / "reader.mp").exists()
