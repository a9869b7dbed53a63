"""Making the Demo data set: made once, all there or made again, and what is in it."""

import dataclasses

import numpy as np
import pytest
from helpers.paths import ROOT

from data_loader.readers import read_file
from misc import make_demo
from misc.demo import caption_grammar, dataset
from misc.demo.clips import FAMILY, plan_clips
from misc.demo.video_files import read_clip
from misc.reporting.folds import read_groups
from parse_config import ConfigParser

SMALL = {"train": 16, "val": 4, "test": 8}


def contents(folder):
    """Path -> bytes of every file below `folder`."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small data set of seed 0, made by one process."""
    folder = tmp_path_factory.mktemp("Demo")
    dataset.make_dataset(folder, SMALL, 0, 1)
    return folder


def test_clips_of_a_family_differ_from_its_first_in_one_attribute_each(made):
    names = [f"clip{i:04d}" for i in range(28)]
    clips = dict(zip(names, map(dataclasses.asdict, plan_clips(28, 0)), strict=True))
    groups = read_groups(made / "families.txt", names)
    first = {family: name for name, family in reversed(groups.items())}
    for name, family in groups.items():
        changed = [key for key in clips[name].keys() - {"seed"} if clips[name][key] != clips[first[family]][key]]
        assert len(changed) == (name != first[family])
    assert len(first) == 7


def test_the_archive_is_of_the_layout_and_the_dims_of_its_config(made):
    archive = made / "symlinked-feats"
    names = [f"clip{i:04d}" for i in range(28)]
    listed = [(archive / f"{split}_list.txt").read_text().split() for split in SMALL]
    assert listed == [names[:16], names[16:20], names[20:]]
    assert sorted(path.stem for path in (made / "videos").iterdir()) == names
    declared = ConfigParser.from_file(ROOT / "configs/demo/train-full-ce.json", training=True)["experts"]
    for expert in ("audio", "face", "flow", "ocr", "rgb", "scene", "speech"):
        features = read_file(archive / f"{expert}.pickle")
        assert {x.shape[-1] for x in features.values()} == {declared[expert]["dim"]}
        assert all(x.ndim == (1 if declared[expert].get("kind") == "vector" else 2) for x in features.values())
        assert all(np.isfinite(x).all() for x in features.values())
        always = expert in ("rgb", "scene", "flow")
        assert (len(features) == 28) == always and declared[expert].get("may_be_missing", True) != always
    raw, text = read_file(archive / "raw-captions.pkl"), read_file(archive / "text-demo.pickle")
    for name in names:
        assert [x.shape for x in text[name]] == [(len(words), declared["text_dim"]) for words in raw[name]]


def test_features_are_standardised_by_the_training_clips_alone(made):
    features = read_file(made / "symlinked-feats" / "scene.pickle")
    train = np.stack([features[f"clip{i:04d}"] for i in range(16)]).astype(float)
    assert np.allclose(train.mean(axis=0), 0, atol=0.01)
    assert np.median(train.std(axis=0)) == pytest.approx(1, abs=0.05) and train.std(axis=0).max() < 1.01


def test_ocr_and_speech_are_vectors_of_the_words_that_captions_use(made):
    archive = made / "symlinked-feats"
    raw, text = read_file(archive / "raw-captions.pkl"), read_file(archive / "text-demo.pickle")
    said = [(words, xs) for name in raw for words, xs in zip(raw[name], text[name], strict=True)]
    vectors = {word: x for words, xs in said for word, x in zip(words, xs, strict=True)}
    clips = {f"clip{i:04d}": clip for i, clip in enumerate(plan_clips(28, 0))}
    ocr, speech = (read_file(archive / f"{expert}.pickle") for expert in ("ocr", "speech"))
    assert set(ocr) <= {name for name, clip in clips.items() if clip.word}
    assert set(speech) == {name for name, clip in clips.items() if clip.topic}
    compared = 0
    for name in ocr:
        if (word := clips[name].word.lower()) in vectors:
            assert np.array_equal(ocr[name], vectors[word][None])
            compared += 1
    assert compared > 5


def test_words_of_the_other_clips_alone_have_no_vector(made):
    """Vectors are made from the training clips, the first 16."""
    archive = made / "symlinked-feats"
    raw, text = read_file(archive / "raw-captions.pkl"), read_file(archive / "text-demo.pickle")
    known = {word for i in range(16) for words in raw[f"clip{i:04d}"] for word in words}
    for clip in plan_clips(28, 0)[:16]:
        known |= {*caption_grammar.narrator_words(clip), *([clip.word.lower()] if clip.word else [])}
    captions = [(words, xs) for name in raw for words, xs in zip(raw[name], text[name], strict=True)]
    others = [x for words, xs in captions for word, x in zip(words, xs, strict=True) if word not in known]
    assert len(others) > 5 and not np.any(others)


def test_families_stay_in_one_split():
    assert all(number % FAMILY == 0 for number in dataset.SPLITS.values())


def test_clips_play(made):
    frames, _ = read_clip(made / "videos" / "clip0000.webm", 16000)
    assert frames.shape == (16, 120, 160, 3) and frames.std() > 10


def write_attributes(clips, folder, workers, narrate):
    """Write the attributes of clips to their files, and return features that depend on them only."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, clip in clips.items():
        (folder / f"{name}.webm").write_text(str(clip))
    return {"rgb": {name: clip.rng(0).normal(size=(2, 8)) for name, clip in clips.items()}}


def test_it_is_made_once_and_again_after_a_change(tmp_path, monkeypatch, call):
    monkeypatch.setattr(dataset, "SPLITS", SMALL)
    monkeypatch.setattr(dataset, "make_clips", write_attributes)  # those of real clips are compared above
    folder = tmp_path / "Demo"
    arguments = ("--data_dir", folder, "--workers", 1)
    assert call(make_demo, *arguments)[0] == 0
    before, times = contents(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("*.webm")}
    code, out, _ = call(make_demo, *arguments)
    assert code == 0 and "up to date" in out
    assert times == {path: path.stat().st_mtime_ns for path in folder.rglob("*.webm")}
    (folder / "videos" / "clip0003.webm").unlink()
    (folder / "made.json").write_text("{")  # as of another version, or damaged
    assert call(make_demo, *arguments)[0] == 0 and contents(folder) == before
    for path in ("videos/clip0003.webm", "symlinked-feats/ocr.pickle"):
        (folder / path).unlink()
        code, out, _ = call(make_demo, *arguments)
        assert code == 0 and f"{path}: missing or changed" in out and contents(folder) == before
    (folder / "symlinked-feats" / "rgb.pickle").write_bytes(b"half")
    assert call(make_demo, *arguments)[0] == 0 and contents(folder) == before
    assert call(make_demo, *arguments, "--force")[0] == 0 and times != {
        path: path.stat().st_mtime_ns for path in folder.rglob("*.webm")
    }
    assert call(make_demo, *arguments, "--seed", 1)[0] == 0 and contents(folder) != before


def test_one_that_is_interrupted_is_not_taken_for_whole(tmp_path, monkeypatch, call):
    """Neither the first one nor one that replaces another, whose files may be of the same size."""
    monkeypatch.setattr(dataset, "SPLITS", SMALL)
    file = tmp_path / "symlinked-feats" / "rgb.pickle"

    def stop(*_):
        if file.exists():
            file.write_bytes(bytes(file.stat().st_size))
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(dataset, "make_clips", stop)
        assert call(make_demo, "--data_dir", tmp_path)[0] == 130
    monkeypatch.setattr(dataset, "make_clips", write_attributes)
    assert "up to date" not in call(make_demo, "--data_dir", tmp_path)[1]
    monkeypatch.setattr(dataset, "make_clips", stop)
    assert call(make_demo, "--data_dir", tmp_path, "--seed", 1)[0] == 130
    assert call(make_demo, "--data_dir", tmp_path)[0] == 130  # made again


@pytest.mark.parametrize("arguments", [("--seed", -1), ("--workers", 0)])
def test_odd_numbers_are_refused(refused, arguments):
    assert f"{arguments[0]} {arguments[1]}: expected a number from" in refused(make_demo, *arguments)
