"""The channel of concepts in windows of long videos."""

import json

import numpy as np
import pytest
from helpers.moments import make_moments, write_moments

from data_loader.experts import Expert
from misc.extraction.moments_file import MomentsFile
from misc.searching.channels import concepts
from misc.searching.channels.concepts import ConceptsChannel
from misc.searching.windows import Windows

CLASSES = ["tench", "zebra"]


def frame(zebra):
    """Return features with these logits of the two classes."""
    return np.array([0, zebra, *([0] * 1278)], np.float32)


class Collection:
    """A film of 36 s, whose frames show a zebra more clearly at 23 s than at 3 s, and two short videos."""

    def __init__(self, folder):
        self.folder, self.experts, self.loaded = folder, {"rgb": Expert(1280)}, []
        self.versions = {"film": "1", "clear": "1", "none": "1"}
        frames = np.stack([frame(x) for x in (1, -5, 3, -5)])
        write_moments(folder, {"film": (36.0, {"rgb": make_moments([3.0, 12.0, 23.0, 33.0], frames)})})
        self.moments = MomentsFile(folder)

    @property
    def ids(self):
        return list(self.versions)

    def version(self, video):
        return self.versions.get(video, "")

    def load_frames(self, name):
        self.loaded.append(name)
        yield "film", np.stack([frame(-9)])
        yield "clear", np.stack([frame(2)])


@pytest.fixture
def collection(tmp_path, monkeypatch):
    monkeypatch.setattr(concepts, "load_class_names", lambda: CLASSES)
    monkeypatch.setattr(concepts, "load_classifier", lambda: (np.eye(2, 1280, dtype=np.float32), np.zeros(2, np.float32)))
    (tmp_path / "extraction.json").write_text(json.dumps({"settings": {"experts": {"rgb": {"extractor": "rgb"}}}}))
    return Collection(tmp_path)


def embed(texts):
    return np.array([[float(text == name) for name in CLASSES] + [float(text not in CLASSES)] for text in texts])


def spans(hit):
    return [(moment.start, moment.end) for moment in hit.moments]


def test_a_video_has_the_score_of_its_best_window(collection):
    film, clear = ConceptsChannel(collection, None, embed, Windows()).search("a zebra", 10)
    assert (film.id, clear.id, clear.moments) == ("film", "clear", [])
    probability = 1 / (1 + np.exp(-3))
    assert film.score == film.moments[0].score == pytest.approx(probability, abs=1e-3)
    assert spans(film)[:2] == [(20, 30), (0, 10)] and film.evidence[0].probability == pytest.approx(probability, abs=1e-3)
    assert [hit.id for hit in ConceptsChannel(collection, None, embed, Windows()).search("zebra", 1)] == ["film"]
    assert [hit.id for hit in ConceptsChannel(collection, None, embed).search("zebra", 10)] == ["clear"]
    assert ConceptsChannel(collection, None, embed, Windows()).describe() == "classes of ImageNet in 2 videos"


def test_the_file_has_windows_and_is_updated(collection, tmp_path):
    path = tmp_path / "concepts.npz"

    def search(windows):
        before = len(collection.loaded)
        hits = ConceptsChannel(collection, path, embed, windows).search("zebra", 10)
        return [(hit.id, spans(hit)[:1]) for hit in hits], len(collection.loaded) - before

    first = [("film", [(20, 30)]), ("clear", [])]
    assert search(Windows()) == (first, 1) and search(Windows()) == (first, 0)
    assert search(Windows(window=18, stride=18)) == ([("film", [(18, 36)]), ("clear", [])], 1)
    assert search(None) == ([("clear", [])], 1)
    search(Windows())
    frames = make_moments([13.0], frame(4)[None])
    write_moments(tmp_path, {"film": (36.0, {"rgb": frames})})
    collection.moments = MomentsFile(tmp_path)
    assert search(Windows()) == (first, 0)  # of a known version
    collection.versions["film"] = "2"
    assert search(Windows()) == ([("film", [(10, 20)]), ("clear", [])], 1)
    del collection.versions["film"]
    assert search(Windows()) == ([("clear", [])], 0)
