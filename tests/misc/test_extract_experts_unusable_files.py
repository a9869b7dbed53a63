"""Files that cannot be used, or only in part, and names that clash."""

import json
import shutil
import unicodedata
from pathlib import Path

import numpy as np
from helpers import pyav_videos
from helpers.extraction import ARCHIVE, captions, failures, film, read
from helpers.ffmpeg_videos import damage

from misc.extraction.shards import Shards
from utils.visualizer.videos import find_videos


def test_unusable_files_are_listed_with_the_reason(extracted_tasks, extract):
    film("good.mkv")
    film("same.mkv")
    film("same.avi", 1)
    film("line\nend.mkv")
    film(" spaces .mkv")
    film("sub/.hidden.mkv")
    film(".trash/hidden.mkv")
    shutil.copy("clips/good.mkv", b"clips/by\xfftes.mkv")
    Path("clips/empty.mp4").touch()
    Path("clips/sub/notes \xe9.mp4").write_text("no video")
    out, seen = extract()
    assert sorted(seen) == ["empty", "good", "same", "sub/notes é"]
    assert sorted((ARCHIVE / "all_list.txt").read_text().splitlines()) == ["good", "same"]
    found = failures()
    letters = "its name has characters that cannot be printed, or spaces at an end"
    assert found == {
        " spaces .mkv": {"file": " spaces .mkv", "reason": letters},
        "by\\udcfftes.mkv": {"file": "by\\udcfftes.mkv", "reason": letters},
        "empty": {"file": "empty.mp4", "reason": "empty (0 bytes)"},
        "line\nend.mkv": {"file": "line\\nend.mkv", "reason": letters},
        "same.avi": {"file": "same.avi", "reason": "its name differs from that of same.mkv only in its suffix"},
        "sub/notes é": {"file": "notes é.mp4", "reason": found["sub/notes é"]["reason"]},
    }
    assert found["sub/notes é"]["reason"].startswith("no video, or damaged (")
    assert "data/Mine/failures.json: 6 files cannot be used, with the reason for each" in out


def test_names_in_nfd_are_ids_in_nfc(extracted_tasks, extract):
    """File names are in NFD, captions, lists and options in NFC, and the other way round."""
    names = [unicodedata.normalize("NFC", name) for name in ("Käfer", "ordner é/가", "ŵ.1", "plain")]
    for number, name in enumerate(names):
        film(f"{unicodedata.normalize('NFD', name)}.mkv", number)
    by_file = [f"{name}.mkv" if i % 2 else unicodedata.normalize("NFD", name) for i, name in enumerate(names)]
    captions(by_file)
    Path("clips", unicodedata.normalize("NFD", "é.csv")).write_text("video,caption\nplain,x\n")
    for part, listed in (("train", names[:2]), ("val", names[2:3]), ("test", names[3:])):
        Path(f"{part}_list.txt").write_text("".join(f"{unicodedata.normalize('NFD', name)}\n" for name in listed))
    out, seen = extract("--captions", "captions.json", "--splits", ".")
    assert sorted(set(seen) & set(names)) == sorted(names) and "left out" not in out
    assert (ARCHIVE / "all_list.txt").read_text().splitlines() == sorted(names)
    assert (ARCHIVE / "train_list.txt").read_text().splitlines() == names[:2]
    assert set(read(ARCHIVE / "scene.mp")) == set(read(ARCHIVE / "text-toy.mp")) == set(names)
    assert all(name in find_videos(Path("data/Mine/videos")) for name in names)
    assert extract("--captions", "captions.json", "--splits", ".")[1].keys() <= {"é"}


def test_a_caption_file_in_another_unicode_form_is_not_a_video(extracted_tasks, extract):
    film("a.mkv")
    Path("clips", unicodedata.normalize("NFD", "é.csv")).write_text("video,caption\na,x\n")
    Path("clips", unicodedata.normalize("NFC", "é.csv")).write_text("video,caption\na,x\n")
    extract("--captions", unicodedata.normalize("NFC", "clips/é.csv"))
    assert failures() == {}


def test_files_whose_names_differ_only_in_their_unicode_form(extracted_tasks, extract):
    first, second = (f"{unicodedata.normalize(form, 'Käfer')}.mkv" for form in ("NFD", "NFC"))
    for number, name in enumerate((first, second)):
        film(name, number)
    assert list(extract()[1]) == [unicodedata.normalize("NFC", "Käfer")]
    reason = f"its name differs from that of {first} only in the Unicode form of its letters, or its suffix"
    assert failures() == {second: {"file": second, "reason": reason}}


def test_damaged_parts_are_listed(extracted_tasks, extract):
    """The reason stays when the videos are not extracted again."""
    film("good.mkv")
    damage(film("sound.mp4", 1), "audio", range(1, 5), size=None)
    expected = {"sound": ["sound is left out: 4 of 9 packets cannot be decoded"]}
    out, _ = extract()
    line = f"data/Mine/warnings.json: 1 video used without a damaged part, first 'sound': {expected['sound'][0]}"
    assert line in out and failures() == {}
    assert json.loads(Path("data/Mine/warnings.json").read_text()) == expected
    assert read(ARCHIVE / "audio.mp").keys() == {"good"}
    assert (ARCHIVE / "all_list.txt").read_text().split() == ["good", "sound"]
    out, seen = extract()
    assert seen == {} and line in out and json.loads(Path("data/Mine/warnings.json").read_text()) == expected
    film("sound.mp4", 1)
    out, seen = extract()
    assert list(seen) == ["sound"] and json.loads(Path("data/Mine/warnings.json").read_text()) == {}


def test_hostile_and_broken_videos_are_listed_and_the_others_extracted(extracted_tasks, extract):
    """Truncated, empty, with a wrong suffix, 0 frames per second, 100,000 x 1 pixels, and only sound."""
    good = film("good.mkv").read_bytes()
    folder = Path("clips")
    folder.joinpath("cut.mkv").write_bytes(good[: len(good) // 3])
    folder.joinpath("empty.mkv").touch()
    folder.joinpath("suffix.mp4").write_bytes(good)
    folder.joinpath("text.mp4").write_text("no video\n" * 100)
    still = bytearray(film("still.avi").read_bytes())
    rate = still.index(b"strh") + 32
    still[rate : rate + 4] = bytes(4)
    folder.joinpath("still.avi").write_bytes(still)
    pyav_videos.write(folder / "strip.mkv", np.zeros((2, 1, 100000, 3), np.uint8), codec="ffv1")
    pyav_videos.write(folder / "sound.mkv", sound=pyav_videos.sine(1, 16000, 440), sample_rate=16000)
    out, _ = extract()
    assert (ARCHIVE / "all_list.txt").read_text().split() == ["good"]
    reasons = {name: failure["reason"] for name, failure in failures().items()}
    assert reasons.pop("cut").startswith(("cut off", "no video, or damaged"))
    assert reasons.pop("text").startswith("no video, or damaged")
    assert reasons.pop("suffix").startswith("its suffix .mp4 is wrong: by its content it is matroska,webm")
    assert reasons.pop("strip").startswith("frames of 100000 x 1 pixels")
    assert reasons == {
        "empty": "empty (0 bytes)",
        "still": "0 frames per second according to its header",
        "sound": "no video track",
    }


def test_of_files_with_one_name_the_one_that_a_page_plays_is_extracted(extracted_tasks, extract):
    for suffix in ("avi", "mkv", "mp4", "MOV"):
        film(f"same.{suffix}")
    extract()
    assert Shards(Path("data/Mine/extracted")).read("same").source[0] == "same.mp4"
    assert find_videos(Path("clips"))["same"] == "videos/same.mp4"


def test_no_usable_file(extracted_tasks, refused_extraction):
    Path("clips").mkdir()
    assert "clips: no video files, expected some (links to folders are not followed)" in refused_extraction()
    Path("clips/a.txt").write_text("none")
    assert "expected some (links to folders are not followed; skipped: 1 .txt)" in refused_extraction()
    Path("clips/a.mp4").write_text("none")
    assert "clips: none of 1 file can be used, first a.mp4: no video, or damaged" in refused_extraction()
    assert failures().keys() == {"a"} and not ARCHIVE.exists()
