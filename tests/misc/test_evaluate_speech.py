"""Word errors, compared with jiwer, and the command with extractors that hear what they are told to."""

import json
from types import SimpleNamespace

import jiwer
import numpy as np
import pytest
from helpers import pyav_videos
from hypothesis import given
from hypothesis import strategies as st

from misc import evaluate_speech
from misc.demo.clips import plan_clips
from misc.demo.sounds import narration_text
from misc.evaluation import speech
from misc.evaluation.speech import Score, count_word_errors, normalize
from misc.extractors.extractor import ExpertOutput

WORDS = st.lists(st.sampled_from(["a", "red", "bird", "sings"]), max_size=8)
COUNT = 12


@given(WORDS.filter(len), WORDS)
def test_word_errors_are_those_of_jiwer(spoken, heard):
    found = jiwer.process_words(" ".join(spoken), " ".join(heard))
    assert count_word_errors(spoken, heard) == found.substitutions + found.deletions + found.insertions


def test_no_spoken_words_are_as_many_errors_as_words_heard():
    assert [count_word_errors([], ["a"] * n) for n in range(3)] == [0, 1, 2]


def test_scores_are_counted_over_all_clips():
    score = Score()
    score.add(["the", "team", "won", "that", "game", "game"], ["the", "teem", "won", "that", "game"], 0.5)
    score.add([], ["yeah", "woo"], 0.25)
    score.add([], [], 0.25)
    score.add(["library"], ["a", "library"], 1.0)
    # Errors: teem for team, one game less, one word more. Longer words: team, game and library.
    assert score.cells() == [f"{100 * 3 / 7:.1f} %", f"{100 * 2 / 3:.1f} %", "2", "0.50"]


def test_words_are_compared_without_case_and_punctuation():
    assert normalize(["The", "team,", "--", "don't", "'quoted'."]) == ["the", "team", "don't", "quoted"]


@pytest.fixture
def demo(tmp_path):
    """A folder like a narrated demo of seed 5, whose clips are dark and silent but for their length."""
    recipe = {"seed": 5, "splits": {"train": COUNT - 2, "val": 1, "test": 1}, "narrate": True}
    (tmp_path / "made.json").write_text(json.dumps({"recipe": recipe}))
    (tmp_path / "videos").mkdir()
    for i in range(COUNT):
        sound = np.full(1600 * (i + 1), 0.5, np.float32)
        frames = np.zeros((4, 32, 32, 3), np.uint8)
        path = tmp_path / f"videos/clip{i:04d}.webm"
        pyav_videos.write(path, frames, 8, sound, 16000, form="matroska")
    return tmp_path


@pytest.fixture
def extractors(monkeypatch):
    """Replace the extractors: `perfect` hears all words, `deaf` none, `lively` "Yeah!" everywhere."""
    narrations = [narration_text(clip) for clip in plan_clips(COUNT, 5)]

    def build(name, options, context):
        def extract(media):
            text = narrations[round(len(media.sound) / 1600) - 1]
            words = {"perfect": text.upper().split(), "deaf": [], "lively": ["Yeah!"]}[name]
            return ExpertOutput(np.zeros((1, 1)), words) if words else None

        return extract

    monkeypatch.setattr(speech, "build_extractor", build)
    monkeypatch.setattr(speech, "build_text_encoder", lambda spec, device: SimpleNamespace())
    return narrations


def test_the_command_prints_a_line_per_extractor(demo, extractors, call):
    code, out, err = call(evaluate_speech, "--data_dir", demo, "--extractors", "perfect", "deaf", "lively")
    assert (code, err) == (0, "")
    silent = sum(not text for text in extractors)
    assert 0 < silent < COUNT
    first, _, *lines = out.splitlines()
    assert first == f"{COUNT} clips, {COUNT - silent} of them with a narrator"
    cells = {line.split()[0]: line.split() for line in lines}
    assert cells["perfect"] == ["perfect", "0.0", "%", "100.0", "%", "0", "0.00"]
    assert cells["deaf"] == ["deaf", "100.0", "%", "0.0", "%", "0", "0.00"]
    assert cells["lively"][5] == str(silent)


def test_only_the_first_clips_are_used(demo, extractors, call):
    (demo / "videos/clip0003.webm").unlink()
    code, out, _ = call(evaluate_speech, "--data_dir", demo, "--clips", 3, "--extractors", "perfect")
    assert code == 0 and out.startswith("3 clips, ")


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (None, [], "made.json: not found or damaged, expected a narrated demo: misc/make_demo.py --narrate --data_dir"),
        ("[]", [], "made.json: not found or damaged"),
        ('{"recipe": {"seed": 0, "splits": {"train": 9}, "narrate": false}}', [], "made.json: a demo without narrators"),
        (True, ["--clips", "0"], "--clips 0: expected a number from 1"),
    ],
)
def test_other_folders_and_numbers_are_refused(demo, extractors, call, content, arguments, message):
    if content is None:
        (demo / "made.json").unlink()
    elif isinstance(content, str):
        (demo / "made.json").write_text(content)
    code, _, err = call(evaluate_speech, "--data_dir", demo, *arguments)
    assert code == 2 and message in err and err.count("\n") == 1


def test_a_damaged_clip_is_named(demo, extractors, call):
    (demo / "videos/clip0001.webm").write_bytes(b"no video")
    code, _, err = call(evaluate_speech, "--data_dir", demo, "--extractors", "deaf")
    assert code == 2 and "clip0001.webm: " in err and err.count("\n") == 1
