"""Clips of stamps: what they show and sound like, and that each is made once."""

import json

import numpy as np
import pytest
from helpers.stamps import GOOD, ogg, png, stamp_files, wav

from misc.demo.video_files import read_clip
from misc.stamps import clips
from misc.stamps.clips import SAMPLE_RATE, make_clip, make_clips
from misc.stamps.items import Stamp, find_stamps
from misc.stamps.pictures import SIDE

FILES = stamp_files()
STAMPS, _, _ = find_stamps(FILES)


@pytest.fixture
def made(tmp_path):
    """Make clips in a folder, in one process; return the ids of the complete ones and the warnings."""

    def made(stamps=STAMPS, files=FILES):
        return make_clips(stamps, files, tmp_path, 1)

    return made


def loudest_hertz(sound):
    """Return the frequency of the most energy."""
    return np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)[np.abs(np.fft.rfft(sound)).argmax()]


def test_a_clip_shows_the_picture_while_the_effect_and_then_the_name_sound(tmp_path):
    files = {"a.png": png((0, 0, 255, 255)), "a.ogg": ogg(1.5, 300), "a_desc.wav": wav(1.0, 1200)}
    assert make_clip(tmp_path / "a.webm", Stamp("a", "A.", "a.png", ("a.ogg", "a_desc.wav")), files) == []
    frames, sound = read_clip(tmp_path / "a.webm", SAMPLE_RATE)
    assert frames.shape == (20, SIDE, SIDE, 3)
    assert np.abs(frames[:, SIDE // 2, SIDE // 2].astype(int) - (0, 0, 255)).max() < 16 and frames[:, 0].min() > 240
    assert len(sound) / SAMPLE_RATE == pytest.approx(2.5, abs=0.05)
    middle = round(1.5 * SAMPLE_RATE)
    assert loudest_hertz(sound[: middle - 1000]) == pytest.approx(300, abs=5)
    assert loudest_hertz(sound[middle + 1000 :]) == pytest.approx(1200, abs=5)


def test_a_clip_without_sound_lasts_two_seconds_and_has_no_track(tmp_path):
    make_clip(tmp_path / "a.webm", Stamp("a", "A.", "a.png", ()), {"a.png": png()})
    frames, sound = read_clip(tmp_path / "a.webm", SAMPLE_RATE)
    assert len(frames) == 16 and sound is None


def test_a_long_sound_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "MAX_SECONDS", 3)
    make_clip(tmp_path / "a.webm", Stamp("a", "A.", "a.png", ("a.wav",)), {"a.png": png(), "a.wav": wav(9)})
    frames, sound = read_clip(tmp_path / "a.webm", SAMPLE_RATE)
    assert len(frames) == 24 and len(sound) / SAMPLE_RATE == pytest.approx(3, abs=0.05)


BAD_SOUNDS = {
    "empty": b"",
    "begin of Ogg": b"OggS",
    "cut Ogg": ogg()[:60],
    "begin of WAV": b"RIFF",
    "WAV without samples": wav()[:44],
    "PNG": png(),
}


@pytest.mark.parametrize("content", BAD_SOUNDS.values(), ids=BAD_SOUNDS)  # Ogg files have a random serial number
def test_a_sound_that_is_none_is_left_out_with_a_warning(tmp_path, content):
    stamp = Stamp("a", "A.", "a.png", ("a.ogg", "a_desc.ogg"))
    (warning,) = make_clip(tmp_path / "a.webm", stamp, {"a.png": png(), "a.ogg": content, "a_desc.ogg": ogg(3)})
    assert warning.startswith("a.ogg: left out of its clip, no sound, or damaged (") and "\n" not in warning
    assert len(read_clip(tmp_path / "a.webm", SAMPLE_RATE)[1]) / SAMPLE_RATE == pytest.approx(3, abs=0.05)


def test_a_damaged_stamp_costs_its_clip_only(made, tmp_path):
    done, warnings = made()
    assert tuple(sorted(done)) == GOOD
    assert sorted(path.stem for path in (tmp_path / "videos").iterdir()) == sorted(GOOD)
    broken, invisible, sound = sorted(warnings)
    assert broken.startswith("bad/broken.png: left out, no PNG, or damaged")
    assert invisible == "bad/invisible.png: left out, nothing of it is visible"
    assert sound.startswith("food/apple_desc.ogg: left out of its clip")


def states(folder):
    """Return path -> modification time of each clip."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "videos").iterdir()}


def test_clips_are_made_once_with_the_same_warnings(made, tmp_path, capsys):
    first, before = made(), states(tmp_path)
    assert made() == first and states(tmp_path) == before
    assert "7 stamps, 5 of them already made" in capsys.readouterr().out


def test_the_clips_of_changed_files_are_made_again(made, tmp_path):
    made()
    before = states(tmp_path)
    files = FILES | {"animals/cat_desc.wav": wav(2), "letters/b.png": png()}
    made(files=files)
    assert {name for name, time in states(tmp_path).items() if time != before[name]} == {
        "animals-cat.webm",
        "letters-b.webm",
    }


@pytest.mark.parametrize("code", ["pictures", "clips"])
def test_after_a_change_of_the_code_all_clips_are_made_again(made, tmp_path, monkeypatch, code):
    made()
    before = states(tmp_path)
    (tmp_path / "changed.py").write_text("changed")
    module = clips.pictures if code == "pictures" else clips
    monkeypatch.setattr(module, "__file__", str(tmp_path / "changed.py"))
    made()
    assert all(time != before[name] for name, time in states(tmp_path).items())


def test_missing_and_truncated_clips_are_made_again(made, tmp_path):
    made()
    before = states(tmp_path)
    whole = (tmp_path / "videos/food-apple.webm").read_bytes()
    (tmp_path / "videos/food-apple.webm").write_bytes(whole[:-1])
    (tmp_path / "videos/letters-b.webm").unlink()
    made()
    assert (tmp_path / "videos/food-apple.webm").read_bytes() == whole
    changed = {name for name, time in states(tmp_path).items() if time != before[name]}
    assert changed == {"food-apple.webm", "letters-b.webm"}


def test_a_stamp_that_is_no_longer_chosen_or_became_unusable_loses_its_clip(made, tmp_path):
    made()
    (tmp_path / "videos/mine.webm").write_bytes(b"of the user")
    stamps = {name: stamp for name, stamp in STAMPS.items() if name != "animals-cat"}
    made(stamps, FILES | {"letters/b.png": b"damaged"})
    left = {path.stem for path in (tmp_path / "videos").iterdir()}
    assert left == {"animals-dog", "food-apple", "letters-a_red", "mine"}


@pytest.mark.parametrize(
    "line", ['{"video": "animals-c', '["a"]', "3", '{"other": 1}', '{"video": []}', "\udcff", "[" * 5000]
)
def test_a_damaged_record_costs_nothing(made, tmp_path, line):
    made()
    before = states(tmp_path)
    record = tmp_path / "clips.jsonl"
    record.write_text(record.read_text() + "\n" + line, errors="surrogateescape")
    made()
    assert states(tmp_path) == before
    files = FILES | {"letters/b.png": png()}
    made(files=files)  # adds a line after the damaged one
    again = states(tmp_path)
    assert again["letters-b.webm"] != before["letters-b.webm"]
    made(files=files)
    assert states(tmp_path) == again


def test_a_record_without_warnings_is_not_used(made, tmp_path):
    first, before = made(), states(tmp_path)
    record = tmp_path / "clips.jsonl"
    entries = [json.loads(line) for line in record.read_text().split("\n") if line]
    record.write_text("\n".join(json.dumps({key: x for key, x in entry.items() if key != "warnings"}) for entry in entries))
    assert made() == first and all(time != before[name] for name, time in states(tmp_path).items())
