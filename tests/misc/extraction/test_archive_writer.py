"""The archive, captions and splits that an extraction writes, and removal of those of an earlier one."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.extraction import ARCHIVE, CONFIG, Reader, ToyEncoder, captions, failures, film, read

import train as train_command
from data_loader.data_loaders import ExpertDataLoader
from data_loader.experts import Expert
from misc.extraction.archive_writer import read_json
from misc.extraction.shards import Shards
from misc.extractors.extractor import ExpertOutput


def test_archive_equals_expert_outputs(eleven_videos, extract):
    out, seen = extract()
    assert (
        seen == dict.fromkeys(eleven_videos, ("scene", "audio", "reader"))
        and "11 videos, 0 of them already extracted" in out
    )
    shards = Shards(Path("data/Mine/extracted"))
    for expert, having in {"scene": set(eleven_videos), "audio": {n for i, n in enumerate(eleven_videos) if i % 3}}.items():
        table = read(ARCHIVE / f"{expert}.mp")
        assert table.keys() == having
        for name, x in table.items():
            assert x.dtype == np.float16 and np.array_equal(x, shards.read(name).outputs[expert].features)
    bright = {name for i, name in enumerate(eleven_videos) if i % 2}
    assert read(ARCHIVE / "reader.mp").keys() == bright
    assert json.loads((ARCHIVE / "reader-words.json").read_text()) == {name: ["BRIGHT", "ü"] for name in bright}
    times = json.loads((ARCHIVE / "reader-word-times.json").read_text())
    assert times == {name: [[0.0, 0.25], [0.25, 0.5]] for name in bright}
    assert sorted((ARCHIVE / "all_list.txt").read_text().splitlines()) == sorted(eleven_videos)
    about = json.loads(Path("data/Mine/extraction.json").read_text())
    assert about["text"] == {"encoder": "toy", "feat": "toy", "dim": 6} and about["videos"] == 11
    assert {name: (x["dim"], x["kind"]) for name, x in about["experts"].items()} == {
        "scene": (424, "sequence"),
        "audio": (128, "sequence"),
        "reader": (6, "sequence"),
    }
    assert failures() == {}
    for name in eleven_videos:  # where pages find them
        assert Path("data/Mine/videos", f"{name}.mkv").read_bytes() == eleven_videos[name].read_bytes()
    assert not Path("configs").exists()  # without captions there is nothing to train on
    assert not any("Mine/symlinked-feats/text" in str(path) for path in ARCHIVE.iterdir())


def test_training_reads_the_archive(eleven_videos, extract, call):
    """Captions, features and splits are those that were given, and `train.py` runs through."""
    texts = captions(eleven_videos)
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
    assert vectors.keys() == set(eleven_videos)
    for name, expected in texts.items():
        for x, text in zip(vectors[name], expected, strict=True):
            assert np.array_equal(x, ToyEncoder()([text])[0].astype(np.float16))
    code, _, err = call(train_command, "--config", "configs/Mine/train-full-ce.json", "--train_single_epoch")
    assert code == 0, err


def test_given_splits(eleven_videos, extract):
    captions(list(eleven_videos)[:-1])
    last = list(eleven_videos)[-1]
    names = list(eleven_videos)
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


def test_captions_of_unknown_videos_are_reported(eleven_videos, extract):
    Path("clips/broken.mkv").write_bytes(b"")
    captions([*eleven_videos, "nowhere", "broken"])
    out, _ = extract("--captions", "captions.json")
    assert "captions.json: captions of 1 video that cannot be used are left out: 'broken'\n" in out
    assert "captions.json: captions of 1 name without a video are left out: 'nowhere'\n" in out
    assert "data/Mine/failures.json: 1 file cannot be used, with the reason for each: 'broken'\n" in out
    assert read(ARCHIVE / "text-toy.mp").keys() == set(eleven_videos)


def test_captions_of_a_failed_video_are_not_given_to_another(extracted_tasks, extract):
    """The captions of v.1, which failed, are not those of v, another video."""
    film("v.mkv")
    Path("clips/v.1.mkv").write_bytes(b"")
    Path("captions.json").write_text('{"v": "mine", "v.1": "another\'s"}')
    extract("--captions", "captions.json")
    assert len(read(ARCHIVE / "text-toy.mp")["v"]) == 1


@pytest.mark.parametrize("other", ["red.mp4.part", "red.mp4.xyz"])
def test_a_caption_that_names_a_file_belongs_to_it(extracted_tasks, extract, other):
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
def test_captions_and_lists_of_no_video_are_refused_before_extraction(
    eleven_videos, extracted_tasks, refused_extraction, content, arguments, message
):
    Path("captions.json").write_text(json.dumps(content))
    Path("lists").mkdir()
    for part in ("train", "val", "test"):
        Path(f"lists/{part}_list.txt").write_text(f"{part}\n")
    extracted_tasks.clear()
    assert message in refused_extraction("--captions", "captions.json", *arguments)
    assert extracted_tasks == []


def test_nothing_old_remains_in_the_archive(eleven_videos, extract):
    """Extract again with fewer experts, without one of the videos, and without captions."""
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


def test_words_of_videos_that_are_gone_are_not_kept(extracted_tasks, extract):
    """Remove the only video in which an expert recognized words."""
    film("dark.mkv", 0)
    film("bright.mkv", 1)
    extract()
    paths = [ARCHIVE / name for name in ("reader-words.json", "reader-word-times.json", "reader.mp")]
    assert all(path.exists() for path in paths)
    Path("clips/bright.mkv").unlink()
    extract()
    assert not any(path.exists() for path in paths)


def test_words_without_times_are_written_without(extracted_tasks, extract, monkeypatch):
    """As those of shards of earlier versions."""
    film("bright.mkv", 1), film("b.mkv", 3)
    monkeypatch.setattr(Reader, "__call__", lambda self, media: ExpertOutput(np.ones((2, 6)), ["BRIGHT", "ü"]))
    extract()
    assert read_json(ARCHIVE / "reader-words.json") == dict.fromkeys(("b", "bright"), ["BRIGHT", "ü"])
    assert not (ARCHIVE / "reader-word-times.json").exists()


def test_words_of_experts_that_are_no_longer_extracted_are_removed(extracted_tasks, extract):
    film("bright.mkv", 1)
    extract()
    assert len(list(ARCHIVE.glob("reader*"))) == 3
    extract("--experts", "scene")
    assert list(ARCHIVE.glob("reader*")) == []
