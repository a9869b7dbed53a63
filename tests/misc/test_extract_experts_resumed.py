"""Extractions that are resumed, repeated, interrupted, or run twice at once."""

import json
import shutil
from pathlib import Path

from helpers.extraction import ARCHIVE, CONFIG, captions, contents, failures, film, read

from misc import extract_experts
from misc.extraction import extraction
from misc.extraction import worker as worker_module
from utils.files import TEMPORARY, locked


def test_extracted_videos_are_not_extracted_again(eleven_videos, extract):
    extract()
    whole = contents()
    out, seen = extract()
    assert seen == {} and "11 videos, 11 of them already extracted" in out and contents() == whole
    assert "older version" not in out


def test_only_changed_videos_are_extracted(eleven_videos, extract):
    extract()
    film("a.mkv", 1)
    film("new.mkv", 3)
    eleven_videos["z1"].rename("clips/renamed.mkv")
    _, seen = extract()
    assert set(seen) == {"a", "new", "renamed"}
    assert read(ARCHIVE / "reader.mp").keys() & {"a", "new", "z1", "renamed"} == {"a", "new", "renamed"}
    assert "z1" not in (ARCHIVE / "all_list.txt").read_text().splitlines()


def test_only_new_experts_and_options_are_extracted(eleven_videos, extract):
    extract("--experts", "scene, reader")
    scene = (ARCHIVE / "scene.mp").read_bytes()
    assert not (ARCHIVE / "audio.mp").exists()
    out, seen = extract()
    assert seen == dict.fromkeys(eleven_videos, ("audio",))
    assert "videos without some experts, or with those of other settings or an older version: 11 audio\n" in out
    Path("config.json").write_text(
        json.dumps({"experts": CONFIG["experts"] | {"reader": {"extractor": "reader", "options": {"surety": 1}}}})
    )
    _, seen = extract()
    assert seen == dict.fromkeys(eleven_videos, ("reader",))
    assert (ARCHIVE / "scene.mp").read_bytes() == scene


def test_temporary_files_of_a_killed_extraction_are_removed(eleven_videos, extract):
    extract()
    shard = next(Path("data/Mine/extracted").rglob("*.npz"))
    left = [path.with_name(TEMPORARY.format(name=path.name, writer="killed")) for path in (shard, ARCHIVE / "rgb.mp")]
    for path in left:
        path.write_bytes(b"half")
    before = contents(Path("data/Mine"))
    extract()
    assert contents(Path("data/Mine")).keys() == before.keys() - {path.relative_to("data/Mine").as_posix() for path in left}


def test_failed_videos_are_tried_again(eleven_videos, extract):
    Path("clips/late.mkv").touch()
    extract()
    assert failures().keys() == {"late"}
    film("late.mkv")
    _, seen = extract()
    assert set(seen) == {"late"} and failures() == {}


def test_damaged_shards_are_extracted_again(eleven_videos, extract):
    extract()
    whole = contents()
    paths = sorted(Path("data/Mine/extracted").rglob("*.npz"))
    paths[0].write_bytes(paths[0].read_bytes()[:-100])
    paths[1].write_bytes(paths[2].read_bytes())
    paths[3].unlink()
    _, seen = extract()
    assert len(seen) == 3 and contents() == whole


def test_an_interrupted_extraction_resumes_with_the_same_result(eleven_videos, extract, call, extracted_tasks, monkeypatch):
    captions(eleven_videos)
    extract("--captions", "captions.json")
    whole = contents()
    shutil.rmtree("data")
    usual = extraction.ProcessEngine

    class InterruptedEngine(usual):
        def extract(self, tasks):
            for i, outcome in enumerate(super().extract(tasks)):
                if i == 4:
                    raise KeyboardInterrupt
                yield outcome

    extracted_tasks.clear()
    with monkeypatch.context() as patched:
        patched.setattr(extraction, "ProcessEngine", InterruptedEngine)
        arguments = ("--videos", "clips", "--name", "Mine", "--config", "config.json", "--captions", "captions.json")
        code, out, err = call(extract_experts, *arguments)
    assert (code, err) == (130, "interrupted\n") and "the same command continues with the remaining videos" in out
    done = {name for name, _ in extracted_tasks[:4]}
    _, seen = extract("--captions", "captions.json")
    assert set(seen) == set(eleven_videos) - done and contents() == whole


def test_vanished_files_are_listed(eleven_videos, extract, monkeypatch):
    """They disappear before they are read, while they are read, or after their extraction."""
    looks = worker_module.Worker.extract

    def vanish(self, task):
        if task.id == "a":
            task.path.unlink()
        outcome = looks(self, task)
        if task.id == "z1":
            task.path.unlink()
        if task.id == "z2":
            eleven_videos["@l#"].unlink(missing_ok=True)  # which is done
        return outcome

    monkeypatch.setattr(worker_module.Worker, "extract", vanish)
    extract()
    found = {name: x["reason"] for name, x in failures().items()}
    assert found == {"a": "cannot be read (No such file or directory)", "z1": "it has vanished", "@l#": "it has vanished"}
    assert sorted((ARCHIVE / "all_list.txt").read_text().splitlines()) == sorted(eleven_videos.keys() - found.keys())


def test_two_extractions_at_once_are_refused(eleven_videos, refused_extraction, extract):
    Path("data/Mine").mkdir(parents=True)
    with locked(Path("data/Mine"), ""):
        assert "data/Mine: another extraction writes there" in refused_extraction()
    extract()


def test_videos_in_the_data_folder(eleven_videos, extract, call):
    """`--videos data/Mine/videos`, be it a folder or the link that was made before."""
    extract()
    arguments = ("--videos", "data/Mine/videos", "--name", "Mine", "--config", "config.json")
    for _ in range(2):
        assert call(extract_experts, *arguments)[0] == 0
        assert Path("data/Mine/videos").resolve() == Path("clips").resolve()
    Path("data/Mine/videos").unlink()
    Path("clips").rename("data/Mine/videos")
    code, out, _ = call(extract_experts, *arguments)
    assert code == 0 and "11 of them already extracted" in out and not Path("data/Mine/videos").is_symlink()


def test_the_link_for_pages_leads_to_the_folder_that_was_read_last(extracted_tasks, extract):
    """A folder of that name, instead of a link, stays unchanged."""
    film("a.mkv")
    film("a.mkv", 1, folder="others")
    link = Path("data/Mine/videos")
    for folder in ("clips", "others", "clips"):
        extract("--videos", folder)
        assert link.is_symlink() and link.resolve() == Path(folder).resolve()
    link.unlink()
    link.mkdir()
    extract("--videos", "others")
    assert link.is_dir() and not link.is_symlink()
