"""Extraction from a folder of videos to a training: with quick experts, in this process, but for the slow tests."""

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
import types
import unicodedata
from pathlib import Path

import clips
import msgpack
import msgpack_numpy
import numpy as np
import pytest
import torch
from conftest import ROOT
from films import damage
from test_faults import OVERRIDES, PR_CAPBSET_DROP, read_only

import train as train_command
from data_loader.data_loaders import ExpertDataLoader
from data_loader.experts import Expert
from misc import extract_experts
from misc.extraction import worker as worker_module
from misc.extraction.shards import Shards
from misc.extractors.extractor import EXTRACTORS, ExpertOutput
from utils.files import TEMPORARY, locked
from utils.visualizer.videos import find_videos

COMMAND = [sys.executable, str(ROOT / "misc/extract_experts.py"), "--videos", "clips", "--name", "Mine"]
ARCHIVE = Path("data/Mine/symlinked-feats")
ODD = ["b ü 猫", "c\"quote'd", "d%20d%s", "sub/e  e", "sub/more/f.g", "-h", "i;$(j)&k", "@l#"]
CONFIG = {"experts": {"scene": {"extractor": "scene"}, "audio": {"extractor": "audio"}, "reader": {"extractor": "reader"}}}


class ToyEncoder:
    """A vector for each word."""

    spec, feat, dim = "toy", "toy", 6

    def __call__(self, texts):
        def vector(word):
            return np.random.default_rng(list(word.encode())).normal(size=6).astype(np.float32)

        return [np.stack([vector(word) for word in text.split()]) if text.split() else np.zeros((0, 6)) for text in texts]


class Reader:
    """Reads BRIGHT in bright videos, and nothing in dark ones."""

    aggregation = "vlad"

    def __init__(self, *, surety: float = 0.5, context):
        self._text, self.dim = context.text_encoder, context.text_encoder.dim

    def __call__(self, media):
        words = ["BRIGHT", "ü"]
        return ExpertOutput(self._text([" ".join(words)])[0], words) if media.frames.mean() > 128 else None


@pytest.fixture
def looked(tmp_path, monkeypatch):
    """A working directory with a config; what is looked at is noted here, as (id, experts)."""
    monkeypatch.chdir(tmp_path)
    for module in (extract_experts, worker_module):
        monkeypatch.setattr(module, "build_text_encoder", lambda spec, device: ToyEncoder())
    module = types.ModuleType("misc.extractors.toy_reader")
    module.Reader = Reader
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(EXTRACTORS, "reader", "misc.extractors.toy_reader:Reader")
    looked = []

    def here(work, tasks, workers, timeout):
        for task in tasks:
            looked.append((task.id, task.experts))
            yield work.extract(task)

    monkeypatch.setattr(extract_experts, "run_in_processes", here)
    Path("config.json").write_text(json.dumps(CONFIG))
    worker_module._load.cache_clear()
    threads = torch.get_num_threads()
    yield looked
    torch.set_num_threads(threads)
    worker_module._load.cache_clear()


def film(name, number=0, folder="clips", sound=True):
    """A video; those of an odd number are bright."""
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.full((4, 32, 32, 3), 200 if number % 2 else 40, np.uint8)
    frames[:, :16, : 2 + number % 28] = (250, 10, 10)
    tone = clips.sine(0.5, 16000, 200 + 100 * number) if sound else None
    form = None if path.suffix.lower() in (".avi", ".mov", ".mp4") else "matroska"
    return clips.write(path, frames, 8, tone, 16000, form=form, sound_codec="aac" if path.suffix == ".mp4" else "pcm_s16le")


@pytest.fixture
def films(looked):
    """Eleven videos with odd names: id -> file."""
    names = ["a", *ODD, "z1", "z2"]
    return {name: film(f"{name}.mkv", i, sound=i % 3 > 0) for i, name in enumerate(names)}


@pytest.fixture
def extract(call, looked):
    """Extract, which has to end well: standard output, and what was looked at."""

    def extract(*arguments):
        looked.clear()
        code, out, err = call(extract_experts, "--videos", "clips", "--name", "Mine", "--config", "config.json", *arguments)
        assert (code, err) == (0, "")
        return out, dict(looked)

    return extract


@pytest.fixture
def refused(call, looked):
    """The one line of an extraction that has to be refused."""

    def refused(*arguments, videos="clips", name="Mine", code=2):
        given = ("--videos", videos, "--name", name, "--config", "config.json", *arguments)
        found, _, err = call(extract_experts, *given)
        assert found == code and err.startswith("error: ") and err.count("\n") == 1, err
        return err

    return refused


def captions(films, number=2, path="captions.json"):
    """Write captions."""
    content = {name: [f"caption {i} of {name}" for i in range(number)] for name in films}
    Path(path).write_text(json.dumps(content))
    return content


def read(path):
    return msgpack.unpackb(Path(path).read_bytes(), object_hook=msgpack_numpy.decode)


def contents(folder=ARCHIVE):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def failures():
    return json.loads(Path("data/Mine/failures.json").read_text())


# ---- what comes out ---------------------------------------------------------------------------------------------------


def test_the_archive_has_what_the_experts_found(films, extract):
    out, seen = extract()
    assert seen == dict.fromkeys(films, ("scene", "audio", "reader")) and "11 videos, 0 of them already extracted" in out
    shards = Shards(Path("data/Mine/extracted"))
    for expert, having in {"scene": set(films), "audio": {n for i, n in enumerate(films) if i % 3}}.items():
        table = read(ARCHIVE / f"{expert}.mp")
        assert table.keys() == having
        for name, x in table.items():
            assert x.dtype == np.float16 and np.array_equal(x, shards.read(name).outputs[expert].features)
    bright = {name for i, name in enumerate(films) if i % 2}
    assert read(ARCHIVE / "reader.mp").keys() == bright
    assert json.loads((ARCHIVE / "reader-words.json").read_text()) == {name: ["BRIGHT", "ü"] for name in bright}
    assert sorted((ARCHIVE / "all_list.txt").read_text().splitlines()) == sorted(films)
    about = json.loads(Path("data/Mine/extraction.json").read_text())
    assert about["text"] == {"encoder": "toy", "feat": "toy", "dim": 6} and about["videos"] == 11
    assert {name: (x["dim"], x["kind"]) for name, x in about["experts"].items()} == {
        "scene": (424, "sequence"),
        "audio": (128, "sequence"),
        "reader": (6, "sequence"),
    }
    assert failures() == {}
    for name in films:  # where pages find them
        assert Path("data/Mine/videos", f"{name}.mkv").read_bytes() == films[name].read_bytes()
    assert not Path("configs").exists()  # without captions there is nothing to train on
    assert not any("Mine/symlinked-feats/text" in str(path) for path in ARCHIVE.iterdir())


def test_the_training_reads_it(films, extract, call):
    """Captions, features and splits are those that were given, and `train.py` runs through."""
    texts = captions(films)
    out, _ = extract("--captions", "captions.json", "--split", "60/20/20", "--seed", 5)
    assert "11 videos with captions: 7 train, 2 val, 2 test" in out
    assert "next: python train.py --config configs/Mine/train-full-ce.json" in out
    config = json.loads(Path("configs/Mine/train-full-ce.json").read_text())
    experts = {name: Expert(config["experts"][name]["dim"], aggregation="vlad") for name in CONFIG["experts"]}
    batches = ExpertDataLoader("Mine", "data/Mine", 2, "test", experts=experts, text_feat="toy", text_dim=6)
    names, shards = [], Shards(Path("data/Mine/extracted"))
    for batch in batches.evaluation:
        names += batch["ids"]
        for i, name in enumerate(batch["ids"]):
            for expert in experts:
                found, there = shards.read(name).outputs[expert], batch["experts"][expert][i].numpy()  # (T, d)
                assert (
                    np.isnan(there).all() if found is None else np.array_equal(there[: len(found.features)], found.features)
                )
            assert [" ".join(text) if isinstance(text, list) else text for text in batch["raw_captions"][i]] == texts[name]
    assert names == (ARCHIVE / "test_list.txt").read_text().splitlines()
    vectors = read(ARCHIVE / "text-toy.mp")
    assert vectors.keys() == set(films)
    for name, expected in texts.items():
        for x, text in zip(vectors[name], expected, strict=True):
            assert np.array_equal(x, ToyEncoder()([text])[0].astype(np.float16))
    code, _, err = call(train_command, "--config", "configs/Mine/train-full-ce.json", "--train_single_epoch")
    assert code == 0, err


def test_parts_that_are_given(films, extract):
    captions(list(films)[:-1])
    last = list(films)[-1]
    names = list(films)
    Path("splits").mkdir()
    parts = {"train": names[:6], "val": names[6:8], "test": [*names[8:], "nowhere"]}
    for part, listed in parts.items():
        Path("splits", f"{part}_list.txt").write_text("\n".join(listed))
    out, _ = extract("--captions", "captions.json", "--splits", "splits")
    assert f"captions.json: 1 video without a caption can be searched, but not used for training: {last!r}\n" in out
    assert f"splits: left out: 2 videos, not extracted, or without a caption: {last!r}, 'nowhere'\n" in out
    for part, listed in parts.items():
        found = (ARCHIVE / f"{part}_list.txt").read_text().splitlines()
        assert found == [name for name in listed if name not in (names[-1], "nowhere")]
    assert len((ARCHIVE / "all_list.txt").read_text().splitlines()) == 11


def test_captions_of_others_are_told(films, extract):
    Path("clips/broken.mkv").write_bytes(b"")
    captions([*films, "nowhere", "broken"])
    out, _ = extract("--captions", "captions.json")
    assert "captions.json: captions of 1 video that cannot be used are left out: 'broken'\n" in out
    assert "captions.json: captions of 1 name without a video are left out: 'nowhere'\n" in out
    assert "data/Mine/failures.json: 1 file cannot be used, with the reason for each: 'broken'\n" in out
    assert read(ARCHIVE / "text-toy.mp").keys() == set(films)


def test_captions_of_a_video_that_fails_are_not_given_to_another(looked, extract):
    """v.1 has failed: v is another video."""
    film("v.mkv")
    Path("clips/v.1.mkv").write_bytes(b"")
    Path("captions.json").write_text('{"v": "mine", "v.1": "another\'s"}')
    extract("--captions", "captions.json")
    assert len(read(ARCHIVE / "text-toy.mp")["v"]) == 1


@pytest.mark.parametrize("other", ["red.mp4.part", "red.mp4.xyz"])
def test_a_caption_that_names_a_file_belongs_to_it(looked, extract, other):
    """The id of the other file would be red.mp4."""
    film("red.mp4")
    for i in range(4):
        film(f"{i}.mkv", i)
    Path("clips", other).write_bytes(b"partial")
    Path("captions.csv").write_text("video,caption\nred,one\nred.mp4,two\n" + "".join(f"{i},three\n" for i in range(4)))
    Path("splits").mkdir()
    for part, listed in {"train": "0\n1", "val": "2", "test": "3\nred.mp4"}.items():
        Path(f"splits/{part}_list.txt").write_text(listed)
    out, _ = extract("--captions", "captions.csv", "--splits", "splits")
    assert len(read(ARCHIVE / "text-toy.mp")["red"]) == 2
    assert "left out" not in out and (ARCHIVE / "test_list.txt").read_text().splitlines() == ["3", "red"]


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ({"x1": "a", "x2": ["b"]}, [], "captions.json: none of 2 names is a video, first 'x1', expected names such as "),
        ({"a": ["", " "]}, [], "captions.json: no caption has words, expected some"),
        ({"a": "b"}, ["--splits", "nowhere"], "nowhere/train_list.txt: not found, expected a list of video names"),
        ({"a": "b"}, ["--splits", "lists"], "lists: none of 3 names is a video with captions, expected names such as 'a'"),
    ],
)
def test_captions_and_lists_of_no_video_are_refused_before_the_work(films, looked, refused, content, arguments, message):
    Path("captions.json").write_text(json.dumps(content))
    Path("lists").mkdir()
    for part in ("train", "val", "test"):
        Path(f"lists/{part}_list.txt").write_text(f"{part}\n")
    looked.clear()
    assert message in refused("--captions", "captions.json", *arguments)
    assert looked == []


def test_too_few_for_a_training(looked, extract):
    for i in range(3):
        film(f"{i}.mkv", i)
    captions("012")
    out, _ = extract("--captions", "captions.json")
    assert "too few for training" in out and not Path("configs").exists()


def test_a_config_of_somebody_is_left_alone(films, extract):
    captions(films)
    extract("--captions", "captions.json")
    path = Path("configs/Mine/train-full-ce.json")
    made = path.read_bytes()
    assert "is not changed" not in extract("--captions", "captions.json")[0]
    path.write_text('{"mine": 1}')
    line = f"{path} exists, differs from the config for these videos and is not changed; "
    assert f"{line}delete it to get a new one\n" in extract("--captions", "captions.json")[0]
    assert path.read_text() == '{"mine": 1}'
    path.with_name(".gitignore").unlink()  # as that of the project, which has none
    assert f"{line}choose another --name to get a config\n" in extract("--captions", "captions.json")[0]
    path.unlink()
    extract("--captions", "captions.json")
    assert path.read_bytes() == made


# ---- files that cannot be used ----------------------------------------------------------------------------------------


def test_files_that_cannot_be_used_are_noted_with_the_reason(looked, extract):
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


def test_names_in_nfd_are_ids_in_nfc(looked, extract):
    """As macOS names files, beside captions, lists and options in NFC and the other way round."""
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


def test_a_file_of_captions_in_another_form_is_not_taken_for_a_video(looked, extract):
    film("a.mkv")
    Path("clips", unicodedata.normalize("NFD", "é.csv")).write_text("video,caption\na,x\n")
    Path("clips", unicodedata.normalize("NFC", "é.csv")).write_text("video,caption\na,x\n")
    extract("--captions", unicodedata.normalize("NFC", "clips/é.csv"))
    assert failures() == {}


def test_files_whose_names_differ_only_in_their_unicode_form(looked, extract):
    first, second = (f"{unicodedata.normalize(form, 'Käfer')}.mkv" for form in ("NFD", "NFC"))
    for number, name in enumerate((first, second)):
        film(name, number)
    assert list(extract()[1]) == [unicodedata.normalize("NFC", "Käfer")]
    reason = f"its name differs from that of {first} only in the Unicode form of its letters, or its suffix"
    assert failures() == {second: {"file": second, "reason": reason}}


def test_what_damage_costs_is_noted(looked, extract):
    """Videos of which a part cannot be used: the reason stays when they are not looked at again."""
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


def test_hostile_and_broken_videos_are_noted_and_the_rest_goes_on(looked, extract):
    """Cut off, of no bytes, a wrong suffix, 0 frames a second, 100,000 x 1 pixels, sound alone."""
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
    clips.write(folder / "strip.mkv", np.zeros((2, 1, 100000, 3), np.uint8), codec="ffv1")
    clips.write(folder / "sound.mkv", sound=clips.sine(1, 16000, 440), sample_rate=16000)
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


def test_of_two_files_of_one_name_the_one_that_a_page_plays_is_looked_at(looked, extract):
    for suffix in ("avi", "mkv", "mp4", "MOV"):
        film(f"same.{suffix}")
    extract()
    assert Shards(Path("data/Mine/extracted")).read("same").source[0] == "same.mp4"
    assert find_videos(Path("clips"))["same"] == "videos/same.mp4"


def test_nothing_of_before_is_left_in_the_archive(films, extract):
    """Fewer experts, a video that is gone, and no captions any more."""
    captions(films)
    extract("--captions", "captions.json")
    gone, path = next(iter(films.items()))
    path.unlink()
    out, _ = extract("--experts", "scene")
    assert sorted(path.name for path in ARCHIVE.glob("*.mp")) == ["scene.mp", "text-toy.mp"]
    assert "existing captions and lists are kept" in out
    listed = {part: (ARCHIVE / f"{part}_list.txt").read_text().splitlines() for part in ("all", "train", "val", "test")}
    assert sorted(listed.pop("all")) == sorted(set(films) - {gone})
    assert gone not in sum(listed.values(), []) and len(sum(listed.values(), [])) == len(films) - 1


def test_a_cluster_that_cannot_be_reached_is_one_line(films, refused, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    line = f"--address (or RAY_ADDRESS) {address}: cannot be reached"
    assert line in refused("--engine", "ray", "--address", address)
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert line in refused("--engine", "ray")


def test_what_lies_beside_a_video_does_not_take_its_place(looked, extract):
    """Pictures, subtitles and notes of the same name, as programs that fetch videos leave them."""
    video = film("a.mkv")
    for suffix in ("jpg", "json", "srt", "txt", "aac", "html"):
        Path(f"clips/a.{suffix}").write_text("beside")
    film("other", 1)  # alone it is looked at, without a suffix too
    out, seen = extract()
    assert sorted(seen) == ["a", "other"]
    assert Shards(Path("data/Mine/extracted")).read("a").source[0] == video.name
    assert sorted((ARCHIVE / "all_list.txt").read_text().splitlines()) == ["a", "other"]
    assert failures() == {}
    assert "6 files skipped, not videos: 1 .aac, 1 .html, 1 .jpg, 1 .json, 1 .srt, 1 .txt\n" in out


def test_what_is_plainly_no_video_is_counted_once(looked, extract):
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


def test_animated_pictures_are_videos(looked, extract):
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


def test_configs_of_own_data_do_not_dirty_git(looked, extract):
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


def test_none_that_can_be_used(looked, refused):
    Path("clips").mkdir()
    assert "clips: no video files, expected some (links to folders are not followed)" in refused()
    Path("clips/a.txt").write_text("none")
    assert "expected some (links to folders are not followed; skipped: 1 .txt)" in refused()
    Path("clips/a.mp4").write_text("none")
    assert "clips: none of 1 file can be used, first a.mp4: no video, or damaged" in refused()
    assert failures().keys() == {"a"} and not ARCHIVE.exists()


def test_an_expert_that_fails_fails_its_video_alone(films, extract, monkeypatch):
    def strange(self, media):
        if media.frames.mean() > 128:
            raise ValueError("strange\nvideo \x1b[2J")

    monkeypatch.setattr(Reader, "__call__", strange)
    extract()
    bright = {name for i, name in enumerate(films) if i % 2}
    assert {name: x["reason"] for name, x in failures().items()} == dict.fromkeys(
        bright, "reader: ValueError: strange video \\x1b[2J"
    )
    assert sorted((ARCHIVE / "all_list.txt").read_text().splitlines()) == sorted(set(films) - bright)


def test_what_training_counts_as_missing_is_not_counted_as_found(looked, extract, call):
    """The flow of still pictures is zeros, which a training takes for none."""
    moving = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), np.uint8)
    for i in range(5):
        film(f"{i}.mkv", i)
    clips.write(Path("clips/moving.mkv"), moving, 8, form="matroska")
    Path("config.json").write_text(json.dumps({"experts": {x: {"extractor": x} for x in ("flow", "scene")}}))
    captions(["moving", *"01234"])
    Path("splits").mkdir()
    for part, listed in {"train": "0 1 2 moving", "val": "3", "test": "4"}.items():
        Path(f"splits/{part}_list.txt").write_text(listed.replace(" ", "\n"))
    out, _ = extract("--captions", "captions.json", "--splits", "splits")
    assert "6 videos; with flow 1, scene 6\n" in out and list(read(ARCHIVE / "flow.mp")) == ["moving"]
    assert call(train_command, "--config", "configs/Mine/train-full-ce.json", "--set", "trainer.epochs=1",
        "--set", "data_loader.args.batch_size=4", "--disable_workers")[0] == 0  # fmt: skip
    log = next(Path("data/saved/log").rglob("*.log")).read_text()
    assert "train: 4 videos, 8 captions; experts: flow 1 (25.0%)" in log
    assert "val: 1 video, 2 captions; experts: flow 0 (0.0%)" in log


def test_zeros_of_any_expert_are_none(looked, extract, monkeypatch):
    film("a.mkv", 1, sound=False)
    monkeypatch.setattr(
        Reader, "__call__", lambda self, media: ExpertOutput(np.full((2, 6), 1e-9), ["word"])
    )  # 0 in float16
    out, _ = extract()
    assert "1 video; with scene 1, audio 0, reader 0\n" in out and not (ARCHIVE / "reader-words.json").exists()


@pytest.mark.parametrize("features", [np.zeros((2, 5)), np.zeros(6), np.full((2, 6), np.nan)])
def test_features_that_are_none_are_not_kept(looked, extract, monkeypatch, features):
    film("a.mkv"), film("b.mkv", 1)
    monkeypatch.setattr(
        Reader, "__call__", lambda self, media: ExpertOutput(features) if media.frames.mean() > 128 else None
    )
    extract()
    assert "expected (T, 6)" in failures()["b"]["reason"] and failures().keys() == {"b"}


def test_large_features_are_kept_in_more_bits(looked, extract, monkeypatch):
    film("a.mkv")
    monkeypatch.setattr(Reader, "__call__", lambda self, media: ExpertOutput(np.full((1, 6), 1e6)))
    extract()
    x = read(ARCHIVE / "reader.mp")["a"]
    assert x.dtype == np.float32 and (x == 1e6).all()


# ---- going on ---------------------------------------------------------------------------------------------------------


def test_what_is_done_is_not_done_again(films, extract):
    extract()
    whole = contents()
    out, seen = extract()
    assert seen == {} and "11 videos, 11 of them already extracted" in out and contents() == whole


def test_only_what_has_changed_is_looked_at(films, extract):
    extract()
    film("a.mkv", 1)
    film("new.mkv", 3)
    films["z1"].rename("clips/renamed.mkv")
    _, seen = extract()
    assert set(seen) == {"a", "new", "renamed"}
    assert read(ARCHIVE / "reader.mp").keys() & {"a", "new", "z1", "renamed"} == {"a", "new", "renamed"}
    assert "z1" not in (ARCHIVE / "all_list.txt").read_text().splitlines()


def test_a_new_expert_and_new_options_are_all_that_is_extracted(films, extract):
    extract("--experts", "scene, reader")
    scene = (ARCHIVE / "scene.mp").read_bytes()
    assert not (ARCHIVE / "audio.mp").exists()
    _, seen = extract()
    assert seen == dict.fromkeys(films, ("audio",))
    Path("config.json").write_text(
        json.dumps({"experts": CONFIG["experts"] | {"reader": {"extractor": "reader", "options": {"surety": 1}}}})
    )
    _, seen = extract()
    assert seen == dict.fromkeys(films, ("reader",))
    assert (ARCHIVE / "scene.mp").read_bytes() == scene


def test_what_a_killed_extraction_left_is_swept(films, extract):
    extract()
    shard = next(Path("data/Mine/extracted").rglob("*.npz"))
    left = [path.with_name(TEMPORARY.format(name=path.name, writer="killed")) for path in (shard, ARCHIVE / "rgb.mp")]
    for path in left:
        path.write_bytes(b"half")
    before = contents(Path("data/Mine"))
    extract()
    assert contents(Path("data/Mine")).keys() == before.keys() - {path.relative_to("data/Mine").as_posix() for path in left}


def test_what_failed_is_tried_again(films, extract):
    Path("clips/late.mkv").touch()
    extract()
    assert failures().keys() == {"late"}
    film("late.mkv")
    _, seen = extract()
    assert set(seen) == {"late"} and failures() == {}


def test_what_is_damaged_is_done_again(films, extract):
    extract()
    whole = contents()
    paths = sorted(Path("data/Mine/extracted").rglob("*.npz"))
    paths[0].write_bytes(paths[0].read_bytes()[:-100])
    paths[1].write_bytes(paths[2].read_bytes())
    paths[3].unlink()
    _, seen = extract()
    assert len(seen) == 3 and contents() == whole


def test_one_that_is_interrupted_goes_on_and_ends_as_one_that_is_not(films, extract, call, looked, monkeypatch):
    captions(films)
    extract("--captions", "captions.json")
    whole = contents()
    shutil.rmtree("data")
    usual = extract_experts.run_in_processes

    def interrupted(*args, **options):
        for i, outcome in enumerate(usual(*args, **options)):
            if i == 4:
                raise KeyboardInterrupt
            yield outcome

    looked.clear()
    with monkeypatch.context() as patched:
        patched.setattr(extract_experts, "run_in_processes", interrupted)
        arguments = ("--videos", "clips", "--name", "Mine", "--config", "config.json", "--captions", "captions.json")
        code, out, err = call(extract_experts, *arguments)
    assert (code, err) == (130, "interrupted\n") and "the same command continues with the remaining videos" in out
    done = {name for name, _ in looked[:4]}
    _, seen = extract("--captions", "captions.json")
    assert set(seen) == set(films) - done and contents() == whole


def test_files_that_vanish_are_noted(films, extract, monkeypatch):
    """Before they are looked at, after that, and long before."""
    looks = worker_module.Worker.extract

    def vanish(self, task):
        if task.id == "a":
            task.path.unlink()
        outcome = looks(self, task)
        if task.id == "z1":
            task.path.unlink()
        if task.id == "z2":
            films["@l#"].unlink(missing_ok=True)  # which is done
        return outcome

    monkeypatch.setattr(worker_module.Worker, "extract", vanish)
    extract()
    found = {name: x["reason"] for name, x in failures().items()}
    assert found == {"a": "cannot be read (No such file or directory)", "z1": "it has vanished", "@l#": "it has vanished"}
    assert sorted((ARCHIVE / "all_list.txt").read_text().splitlines()) == sorted(films.keys() - found.keys())


def test_two_at_once_are_refused(films, refused, extract):
    Path("data/Mine").mkdir(parents=True)
    with locked(Path("data/Mine"), ""):
        assert "data/Mine: another extraction writes there" in refused()
    extract()


def test_videos_that_are_in_place_already(films, extract, call):
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


# ---- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "0"], "--workers 0, --timeout 1800: expected numbers above 0"),
        (["--timeout", "nan"], "--timeout nan: expected numbers above 0"),
        (["--timeout", "inf"], "--timeout inf: expected numbers above 0"),
        (["--split", "80/20"], "--split 80/20: expected the shares of train, val and test"),
        (["--splits", "splits"], "--splits: expected --captions with it"),
        (["--address", "auto"], "--address: expected --engine ray with it"),
        (
            ["--experts", "scene,sene"],
            "--experts scene,sene: no 'sene' in config.json, expected some of scene, audio, reader",
        ),
        (["--captions", "nowhere.csv"], "nowhere.csv: not found, expected captions"),
        (["--data_dir", "clips/out"], "--data_dir clips/out: in the folder of videos, expected another place"),
        (["--data_dir", "config.json"], "config.json: File exists"),
        (["--config", "nowhere.json"], "nowhere.json: not found, expected the config of an extraction"),
    ],
)
def test_odd_arguments_get_one_line(films, refused, arguments, message):
    assert message in refused(*arguments)
    assert not Path("data").exists()


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "MSRVTT", "lsmdc", "a\n"])
def test_odd_names_of_collections(films, refused, name):
    assert "expected letters, digits, _ and -, and not a published dataset" in refused(name=name)


def test_folders_that_are_none(films, refused):
    for videos in ("nowhere", "clips/a.mkv"):
        assert f"{videos}: no such folder, expected one with video files" in refused(videos=videos)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "file: Invalid JSON"),
        ("[]", "file: Input should be an object"),
        ("{}", "experts: Field required"),
        ('{"experts": {}}', "experts: Dictionary should have at least 1 item"),
        ('{"experts": {"rgb": "rgb"}}', "experts.rgb: Input should be an object"),
        ('{"experts": {"rgb": {"extractor": "rgb", "option": {}}}}', "experts.rgb.option: Extra inputs are not permitted"),
        ('{"experts": {"text": {"extractor": "rgb"}}}', "experts: 'text' is not a valid name of an expert"),
        ('{"experts": {"a/b": {"extractor": "rgb"}}}', "experts: 'a/b' is not a valid name of an expert"),
        ('{"experts": {"rgb": {"extractor": "rgp"}}}', "extractor 'rgp': unknown, expected one of"),
        ('{"experts": {"x": {"extractor": "scene", "options": {"frames": 0}}}}', "option 'frames' is 0, expected a whole"),
        ('{"frames": {"rate": 0}, "experts": {"rgb": {"extractor": "rgb"}}}', "frames.rate: Input should be greater than 0"),
        (
            '{"frames": {"side": 1.5}, "experts": {"rgb": {"extractor": "rgb"}}}',
            "frames.side: Input should be a valid integer",
        ),
        ('{"fps": 3, "experts": {"rgb": {"extractor": "rgb"}}}', "fps: Extra inputs are not permitted"),
    ],
)
def test_odd_configs_get_one_line(films, refused, content, message):
    Path("config.json").write_text(content)
    assert message in (line := refused()) and ("config.json: " in line or "extractor '" in line)
    assert not Path("data").exists()


# ---- the command itself -----------------------------------------------------------------------------------------------


def start(*arguments, largest=None, **options):
    """The command in a process of its own, to which permissions apply, and files over `largest` bytes mean a full disk."""
    import ctypes
    import resource

    prctl = ctypes.CDLL(None).prctl

    def limit():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # even where CI ignores it
        for capability in OVERRIDES:
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        if largest:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*COMMAND, *arguments], preexec_fn=limit, **pipes | options)


def in_session(session):
    """The processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


REAL = ("--config", "config.json", "--workers", "2")


def prepare():
    """A config of quick experts that the command itself has, and a few videos."""
    Path("config.json").write_text(json.dumps({"experts": {name: {"extractor": name} for name in ("scene", "flow")}}))
    for i in range(12):
        film(f"v{i:02d}.mkv", i)


@pytest.fixture
def real(tmp_path, monkeypatch):
    """A working directory with them."""
    monkeypatch.chdir(tmp_path)
    prepare()
    return REAL


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What the command writes when it is left alone."""
    with contextlib.chdir(tmp_path_factory.mktemp("undisturbed")):
        prepare()
        process = start(*REAL)
        _, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
        return contents()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_signal_in_the_midst_leaves_no_process_and_nothing_half(real, undisturbed, number, code):
    """As at a terminal, where Ctrl-C reaches all processes; after the worst the command ends as one undisturbed."""
    process = start(*real, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(Path("data").rglob("*.npz")) and time.monotonic() < deadline:
        time.sleep(0.02)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    if number != signal.SIGKILL:
        assert err == {130: "interrupted\n", 143: "terminated\n"}[code] and "continues with the remaining videos" in out
    while in_session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert in_session(process.pid) == []
    done = {path: path.stat().st_mtime_ns for path in Path("data").rglob("*.npz")}
    assert 0 < len(done) <= 12
    if number != signal.SIGKILL:
        return
    again = start(*real)
    out, err = again.communicate(timeout=120)
    assert (again.returncode, err) == (0, ""), err
    assert f"12 videos, {len(done)} of them already extracted" in out
    assert all(path.stat().st_mtime_ns == time for path, time in done.items())
    assert contents() == undisturbed


@pytest.mark.slow
def test_a_disk_that_is_full_or_read_only_is_one_line(real):
    Path("data/Mine").mkdir(parents=True)
    with read_only(Path("data")):
        process = start(*real)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 2 and err.startswith("error: data/Mine") and err.count("\n") == 1
    assert "Permission denied" in err
    process = start(*real, largest=500)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2 and err.startswith("error: data/Mine/") and err.count("\n") == 1
    assert "File too large" in err and not list(Path("data").rglob("*.tmp"))
    process = start(*real, largest=8000)  # enough for each video, not for all
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2 and "symlinked-feats/" in err and err.count("\n") == 1, err
    assert len(list(Path("data").rglob("*.npz"))) == 12 and not list(Path("data").rglob("*.tmp"))


@pytest.mark.slow
def test_a_terminal_shows_speed_and_time_left(real):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 120))
    process = start(*real, stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end of the other side
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert process.wait(timeout=60) == 0
    text = shown.decode()
    assert re.search(r"videos: +\d+%.*\d+/12 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+(video/s|s/video), 0 failed\]", text), text


@pytest.mark.slow
def test_all_experts_say_nothing_of_their_own(real):
    """Libraries and decoders print nothing, and broken files are no more than lines of failures.json."""
    for video in sorted(Path("clips").iterdir())[3:]:
        video.unlink()
    broken = Path("clips/v00.mkv").read_bytes()
    Path("clips/cut.mkv").write_bytes(broken[: len(broken) // 2])
    Path("clips/bytes.mp4").write_bytes(np.random.default_rng(0).bytes(3000))
    Path("captions.csv").write_text("video,caption\n" + "".join(f"v0{i}.mkv,a red bird sings\n" for i in range(3)))
    process = start("--captions", "captions.csv", "--workers", "1")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    lines = [re.sub(r"\d+(\.\d+)?", "N", line) for line in out.splitlines() if " left" not in line]
    assert [line[:20] for line in lines] == [
        "N videos, N of them ",
        "N videos in N s, N a",
        "data/Mine/symlinked-",
        "data/Mine/failures.j",
        "N videos with captio",
        "too few for a traini",
    ], out
    experts = {name for name in read_experts() if (ARCHIVE / f"{name}.mp").exists()}
    assert experts >= {"rgb", "scene", "audio"} and "flow" not in experts  # nothing moves in these clips


def read_experts():
    return json.loads(Path("data/Mine/extraction.json").read_text())["experts"]


@pytest.mark.slow
def test_help_explains():
    result = subprocess.run([*COMMAND[:2], "--help"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("usage:") and result.stderr == ""
    assert all(f"--{option}" in result.stdout for option in ("videos", "captions", "split", "engine", "timeout"))
