"""Features of the Demo for patterns of known motion, color and pitch, for drawn clips, and for words."""

import dataclasses

import numpy as np
import pytest
from scipy.sparse.linalg import svds

from misc.demo import experts
from misc.demo.clips import ATTRIBUTES, plan_clips
from misc.demo.drawing import RATE, draw_frames
from misc.demo.sounds import SAMPLE_RATE
from misc.demo.video_files import read_clip, write_clip

PLACES = ATTRIBUTES["place"][0]
ROWS, COLUMNS = np.mgrid[:120, :160]
U, V, SPREAD, TURN = range(experts.ORIENTATIONS, experts.ORIENTATIONS + 4)  # columns of `flow`


def film(position, radius=lambda t: 20.0, angle=lambda t: 0.0, color=(200, 40, 40), behind=(90, 110, 130)):
    """Return eight frames of a soft square, at `position(t)` (x, y), turned by `angle(t)`."""
    images = []
    for t in range(8):
        x, y = COLUMNS - position(t)[0], ROWS - position(t)[1]
        c, s = np.cos(angle(t)), np.sin(angle(t))
        inside = np.maximum(np.abs(c * x + s * y), np.abs(c * y - s * x)) - radius(t)
        share = 1 / (1 + np.exp(inside.clip(-30, 30)))[..., None]
        images.append((share * np.array(color) + (1 - share) * np.array(behind)).astype(np.uint8))
    return np.stack(images)


@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (-2, 0), (0, 2), (0, -2), (2, 2)])
def test_flow_is_the_motion_in_halved_pixels(dx, dy):
    seen = experts.flow(film(lambda t: (80 + dx * (t - 4), 60 + dy * (t - 4)))).mean(axis=0)
    assert seen[[U, V]] == pytest.approx([dx / 2, dy / 2], abs=0.35)
    assert np.argmax(seen[: experts.ORIENTATIONS]) == round(np.arctan2(dy, dx) / (np.pi / 4)) % 8


def test_flow_tells_growing_from_shrinking_and_the_sense_of_a_turn():
    grows = experts.flow(film(lambda t: (80, 60), radius=lambda t: 15 + 1.5 * t)).mean(axis=0)
    shrinks = experts.flow(film(lambda t: (80, 60), radius=lambda t: 26 - 1.5 * t)).mean(axis=0)
    assert grows[SPREAD] > 0.2 and shrinks[SPREAD] < -0.2 and abs(grows[[U, V]]).max() < 0.1
    right = experts.flow(film(lambda t: (80, 60), angle=lambda t: 0.08 * t)).mean(axis=0)
    left = experts.flow(film(lambda t: (80, 60), angle=lambda t: -0.08 * t)).mean(axis=0)
    assert right[TURN] > 0.1 and left[TURN] == pytest.approx(-right[TURN], rel=0.2)


def test_a_still_film_has_finite_features():
    still = film(lambda t: (80, 60))
    assert np.isfinite(experts.flow(still)).all() and np.isfinite(experts.rgb(still)).all()


def test_rgb_sees_what_moves_and_not_what_is_behind():
    def seen(**colors):
        return experts.rgb(film(lambda t: (50 + 9 * t, 60), **colors)).mean(axis=0)

    red = seen()
    other_place, blue = seen(behind=(60, 120, 90)), seen(color=(40, 40, 200))
    assert np.linalg.norm(red - other_place) < 0.6 * np.linalg.norm(red - blue)


def test_scene_sees_what_is_behind_and_not_what_moves():
    def seen(**colors):
        return experts.scene(film(lambda t: (30 + 14 * t, 60), **colors))

    red = seen()
    other_place, blue = seen(behind=(60, 120, 90)), seen(color=(40, 40, 200))
    assert np.linalg.norm(red - blue) < 0.25 * np.linalg.norm(red - other_place)


@pytest.mark.parametrize("pitch", [300, 1000, 3000])
def test_audio_is_loudest_at_the_pitch(pitch):
    energies = experts.audio(np.sin(2 * np.pi * pitch * np.arange(16000) / 16000).astype(np.float32), 16000)
    assert energies.shape == (10, experts.MELS)
    mel = 2595 * np.log10(1 + np.array([pitch, 8000]) / 700)
    expected = mel[0] / (mel[1] / (experts.MELS + 1)) - 1  # triangles stand at equal distances in mel
    assert abs(energies.mean(axis=0).argmax() - expected) <= 1


def test_words_without_a_vector_are_left_out():
    vectors = {"stop": np.ones(3), "exit": np.zeros(3)}
    assert np.array_equal(experts.word_features(["stop", "unknown", "exit"], vectors), [[1, 1, 1], [0, 0, 0]])
    assert experts.word_features(["unknown"], vectors) is None and experts.word_features([], vectors) is None


def test_faces_are_found_in_decoded_clips_where_they_were_drawn(tmp_path):
    clips = [dataclasses.replace(clip, place=PLACES[i % len(PLACES)]) for i, clip in enumerate(plan_clips(48, 5))]
    found = []
    for clip in clips:
        write_clip(tmp_path / "clip.webm", draw_frames(clip), RATE, None, SAMPLE_RATE)
        found.append(experts.face(read_clip(tmp_path / "clip.webm", SAMPLE_RATE)[0]) is not None)
    drawn = np.array([clip.hair is not None for clip in clips])
    assert 10 < drawn.sum() < 38
    assert not (np.array(found) & ~drawn).any()
    assert np.mean(np.array(found)[drawn]) > 0.85


def test_word_vectors_factorise_positive_mutual_information():
    rng = np.random.default_rng(0)
    names = [f"w{i}" for i in range(12)]
    texts = [["always", *rng.choice(names, 4)] for _ in range(60)]
    vectors = experts.word_vectors(texts, 5)
    words = sorted({word for text in texts for word in text})
    information = np.zeros((len(words), len(words)))
    for i, one in enumerate(words):
        for j, other in enumerate(words):
            both = sum(one in text and other in text for text in texts)
            if both:
                p = both / 60 / (sum(one in text for text in texts) / 60 * sum(other in text for text in texts) / 60)
                information[i, j] = max(0.0, np.log(p))
    left, values, _ = svds(information, 5)
    expected = left * np.sqrt(values)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True).clip(min=1e-6)
    found = np.stack([vectors[word] for word in words])
    assert np.allclose(found @ found.T, expected @ expected.T, atol=1e-6)
    assert not vectors["always"].any()
