"""An extraction worker: failures of experts, and zero, invalid and large features."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import pyav_videos
from helpers.extraction import ARCHIVE, Reader, captions, failures, film, read

import train as train_command
from misc.extraction.worker import ExtractionTask
from misc.extractors.extractor import ExpertOutput


def test_a_failing_expert_fails_only_its_video(eleven_videos, extract, monkeypatch):
    def strange(self, media):
        if media.frames.mean() > 128:
            raise ValueError("strange\nvideo \x1b[2J")

    monkeypatch.setattr(Reader, "__call__", strange)
    extract()
    bright = {name for i, name in enumerate(eleven_videos) if i % 2}
    assert {name: x["reason"] for name, x in failures().items()} == dict.fromkeys(
        bright, "reader: ValueError: strange video \\x1b[2J"
    )
    assert sorted((ARCHIVE / "all_list.txt").read_text().splitlines()) == sorted(set(eleven_videos) - bright)


def test_features_that_training_treats_as_missing_are_not_counted(extracted_tasks, extract, call):
    """The flow of still pictures is all zeros, which a training treats as missing."""
    moving = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), np.uint8)
    for i in range(5):
        film(f"{i}.mkv", i)
    pyav_videos.write(Path("clips/moving.mkv"), moving, 8, form="matroska")
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


def test_zero_features_are_missing(extracted_tasks, extract, monkeypatch):
    film("a.mkv", 1, sound=False)
    monkeypatch.setattr(
        Reader, "__call__", lambda self, media: ExpertOutput(np.full((2, 6), 1e-9), ["word"])
    )  # 0 in float16
    out, _ = extract()
    assert "1 video; with scene 1, audio 0, reader 0\n" in out and not (ARCHIVE / "reader-words.json").exists()


@pytest.mark.parametrize("features", [np.zeros((2, 5)), np.zeros(6), np.full((2, 6), np.nan)])
def test_invalid_features_are_not_stored(extracted_tasks, extract, monkeypatch, features):
    film("a.mkv"), film("b.mkv", 1)
    monkeypatch.setattr(
        Reader, "__call__", lambda self, media: ExpertOutput(features) if media.frames.mean() > 128 else None
    )
    extract()
    assert "expected (T, 6)" in failures()["b"]["reason"] and failures().keys() == {"b"}


@pytest.mark.parametrize(
    ("words", "times", "expected"),
    [(["a"], [], "1 words"), (["a"], [(0, 1), (1, 2)], "1 words"), (None, [(0, 1), (1, 2)], "1 features")],
)
def test_times_that_do_not_belong_to_words_or_features_are_not_stored(
    extracted_tasks, extract, monkeypatch, words, times, expected
):
    film("a.mkv"), film("b.mkv", 1)
    output = ExpertOutput(np.ones((1, 6)), words, times)
    monkeypatch.setattr(Reader, "__call__", lambda self, media: output if media.frames.mean() > 128 else None)
    extract()
    reason = f"{len(times)} times, expected one for each of {expected}"
    assert failures().keys() == {"b"} and reason in failures()["b"]["reason"]


def test_large_features_are_stored_in_float32(extracted_tasks, extract, monkeypatch):
    film("a.mkv")
    monkeypatch.setattr(Reader, "__call__", lambda self, media: ExpertOutput(np.full((1, 6), 1e6)))
    extract()
    x = read(ARCHIVE / "reader.mp")["a"]
    assert x.dtype == np.float32 and (x == 1e6).all()


def test_the_time_limit_grows_with_the_length_of_a_video():
    for length, limit in ((0, 100), (30, 100), (600, 100), (900, 150), (3600, 600)):
        assert ExtractionTask("a", Path("a.mp4"), (), length).time_limit(100) == pytest.approx(limit)
