"""From video files to a search: the words that extractors recognize in clips of the demo, and the results."""

import json
import shutil

import pytest
from helpers.daily import on_days
from helpers.video_commands import run

from data_loader.readers import read_file
from misc.demo import dataset, sounds
from misc.demo.clips import plan_clips

SPLITS = {"train": 40, "val": 6, "test": 18}
EXPERTS = "audio,flow,ocr,scene,speech"  # rgb and face take a third of the time, and are tested on real footage
pytestmark = on_days(2, 0)  # its extraction takes a minute, as does that of real footage
FILLER = {"with", "that", "then", "have", "into"}


@pytest.fixture(scope="module", autouse=True)
def one_sentence():
    """Let the narrators say half as much: speech recognition takes half of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sounds, "SENTENCES", 1)
        yield


@pytest.fixture(scope="module")
def clips(one_sentence):
    """Return name -> content of each clip."""
    if shutil.which(sounds.PROGRAM) is None:
        pytest.skip(f"{sounds.PROGRAM} is not installed")
    number = sum(SPLITS.values())
    return {f"clip{i:04d}": clip for i, clip in enumerate(plan_clips(number, 0))}


@pytest.fixture(scope="module")
def extracted(clips, tmp_path_factory):
    """A folder in which the experts of narrated clips were extracted as `data/Films`."""
    folder = tmp_path_factory.mktemp("own")
    made = folder / "made"
    dataset.make_dataset(made, SPLITS, 0, 2, narrate=True)
    captions = ("--captions", made / "captions.csv", "--splits", made / "symlinked-feats")
    run(folder, "misc/extract_experts.py", "--videos", made / "videos", *captions, "--name", "Films", "--experts", EXPERTS)
    return folder


def words(folder, expert):
    """Return video -> words that an expert recognized, in lower case."""
    content = json.loads((folder / f"data/Films/symlinked-feats/{expert}-words.json").read_text())
    return {video: {word.strip(".,!").lower() for word in found} for video, found in content.items()}


def test_no_clip_fails(extracted):
    assert json.loads((extracted / "data/Films/failures.json").read_text()) == {}


def test_ocr_reads_the_signs_and_nothing_where_there_is_none(clips, extracted):
    read = words(extracted, "ocr")
    signs = {video: clip.word.lower() for video, clip in clips.items() if clip.word}
    assert sum(sign in read.get(video, ()) for video, sign in signs.items()) >= 0.9 * len(signs)
    assert sum(video not in signs for video in read) <= 0.1 * (len(clips) - len(signs))


def test_speech_hears_the_narrators_and_nothing_in_bells_and_rain(clips, extracted):
    heard = words(extracted, "speech")
    narrated = {video: sounds.narration_text(clip) for video, clip in clips.items() if clip.topic}
    told = {video: text.replace(".", "").lower().split() for video, text in narrated.items()}
    content = [(video, word) for video, said in told.items() for word in set(said) - FILLER if len(word) > 3]
    assert sum(word in heard.get(video, ()) for video, word in content) >= 0.7 * len(content)
    assert sum(video in heard for video in told) >= 0.9 * len(told)
    assert sum(video not in told for video in heard) <= 0.1 * (len(clips) - len(told))


def test_a_clip_without_sound_has_no_audio(clips, extracted):
    features = read_file(extracted / "data/Films/symlinked-feats/audio.mp")
    assert features.keys() == {video for video, clip in clips.items() if clip.sound or clip.topic}


def test_a_model_trained_on_them_finds_clips_by_words(clips, extracted):
    run(
        extracted,
        "train.py",
        "--config",
        "configs/Films/train-full-ce.json",
        "--set",
        "data_loader.args.num_workers=0",
        "--set",
        "seed=1",
    )
    (folder,) = (extracted / "data/saved/models/films-train-full-ce").iterdir()
    metrics = json.loads((folder / "metrics.json").read_text())["t2v_metrics"]
    print(metrics)
    assert metrics["MeanR"] < 0.75 * (SPLITS["test"] + 1) / 2
    listed = (extracted / "data/Films/symlinked-feats/all_list.txt").read_text().split()
    assert listed == sorted(clips)
    checkpoint = ("--resume", folder / "trained_model.pth", "--name", "Films")
    found = json.loads(run(extracted, "misc/search.py", "the word library is written above", *checkpoint, "--json", "-k", 3))
    assert "LIBRARY" in [clips[hit["id"]].word for hit in found["hits"]]
