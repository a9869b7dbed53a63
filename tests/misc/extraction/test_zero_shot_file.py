"""The file of embedded frames: read as written, scores as in a plain loop, and refused if damaged."""

import json

import h5py
import numpy as np
import pytest

from misc.extraction import zero_shot_file
from misc.extraction.settings import ZeroShot
from misc.extraction.zero_shot_file import ZeroShotFile, open_writer
from utils.errors import InputError

MODEL = ZeroShot(model="open_clip:x", sha256="abc")


def make_videos(number=7, dim=5):
    """Return video -> embedded frames of length 1, and their times."""
    rng = np.random.default_rng(0)
    videos = {}
    for i in range(number):
        frames = rng.normal(size=(1 + i % 3, dim))
        videos[f"v{i} é猫"] = frames / np.linalg.norm(frames, axis=1, keepdims=True), [t / 4 for t in range(len(frames))]
    return videos


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "zero_shot.h5"
    with open_writer(path, MODEL) as writer:
        for video, (frames, times) in make_videos().items():
            writer.add(video, frames, times)
    return path


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_frames_are_read_as_written(path, monkeypatch, rows):
    monkeypatch.setattr(zero_shot_file, "ROWS", rows)
    file, videos = ZeroShotFile(path), make_videos()
    assert (file.model, file.sha256, file.videos) == ("open_clip:x", "abc", list(videos))
    query = np.float32([0.6, 0, 0.8, 0, 0])
    scores = file.score(query)
    assert scores.shape == file.times.shape == (sum(len(times) for _, times in videos.values()),)
    for i, (frames, times) in enumerate(videos.values()):
        part = slice(file.starts[i], file.starts[i + 1])
        np.testing.assert_allclose(scores[part], [frame @ query for frame in frames], atol=1e-3)
        assert file.times[part].tolist() == times
    queries = np.stack([query, np.float32([0, 1, 0, 0, 0])])
    expected = [max(float(frame @ x) for frames, _ in videos.values() for frame in frames) for x in queries]
    np.testing.assert_allclose(file.best_scores(queries), expected, atol=1e-3)
    file.close()


def test_scores_are_cosines_of_what_is_stored(tmp_path):
    """Rounding to float16 changes lengths."""
    frames = np.full((1, 2000), 2000**-0.5)
    with open_writer(tmp_path / "x.h5", MODEL) as writer:
        writer.add("a", frames, [0])
    (score,) = ZeroShotFile(tmp_path / "x.h5").score(frames[0].astype(np.float32))
    assert score == pytest.approx(1, abs=2e-5)


def test_a_file_without_frames(tmp_path):
    with open_writer(tmp_path / "x.h5", MODEL):
        pass
    file = ZeroShotFile(tmp_path / "x.h5")
    assert file.videos == [] and file.score(np.ones(3, np.float32)).shape == (0,)


def test_without_a_model_the_file_is_deleted_at_the_end(path):
    with open_writer(path, None) as writer:
        assert writer is None and path.exists()
    assert not path.exists()


def test_a_writer_that_fails_keeps_the_file(path):
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), open_writer(path, MODEL):
        raise ZeroDivisionError
    assert path.read_bytes() == before and [x.name for x in path.parent.iterdir()] == [path.name]


def damage(path, **changes):
    with h5py.File(path, "r+") as file:
        about = json.loads(file["index"][()].tobytes()) | changes
        del file["index"]
        file["index"] = np.frombuffer(json.dumps(about).encode(), np.uint8)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no file"),
        lambda path: path.write_bytes(path.read_bytes()[:3000]),
        lambda path: damage(path, version=2),
        lambda path: damage(path, counts=[1, 2]),
        lambda path: damage(path, counts=[0, *([2] * 6)]),
        lambda path: damage(path, counts=[1] * 7),
        lambda path: damage(path, model=None),
    ],
)
def test_a_damaged_file_is_one_line(path, change):
    change(path)
    with pytest.raises(InputError, match=r"zero_shot.h5: damaged \(.*\), or changed since") as caught:
        ZeroShotFile(path)
    assert "\n" not in str(caught.value)
