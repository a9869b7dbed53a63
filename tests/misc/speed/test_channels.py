"""The benchmark of the channels, on a few windows."""

import json

import numpy as np
import pytest
from helpers.extraction import ToyEncoder

from misc import benchmark
from misc.extractors import text_encoders
from misc.extractors.rgb import load_classifier
from misc.searching.channels.concepts import ConceptsChannel, load_class_names, top_concepts
from misc.searching.channels.words import WordsChannel
from misc.searching.collection import Collection
from misc.searching.windows import Windows
from misc.speed import channels


class NameEncoder(ToyEncoder):
    """A text encoder for which a text is similar to itself only."""

    def embed_sentences(self, texts):
        vectors = [np.random.default_rng(list(text.encode())).normal(size=64) for text in texts]
        return np.stack([x / np.linalg.norm(x) for x in vectors]).astype(np.float32)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(channels, "PER_FILM", 4)
    monkeypatch.setattr(channels, "REPEAT", 1)
    monkeypatch.setattr(text_encoders, "build_text_encoder", lambda spec, device: NameEncoder())


def test_words_and_classes_are_in_the_windows_that_have_them(tmp_path):
    folder = tmp_path / "Many"
    ids = channels.make_collection(folder, 10)
    assert ids == ["film0", "film1", "film2"]
    collection = Collection("Many", folder)
    assert collection.moments.lengths == {"film0": 40.0, "film1": 40.0}  # the last one is short
    weight, bias = load_classifier()
    words, concepts = WordsChannel(collection, windows=Windows()), ConceptsChannel(collection, windows=Windows())
    for number, video in enumerate(ids[:2]):
        _, moments = channels.make_film(number, 4, weight.astype(np.float16))
        spoken = moments["speech"].words
        for row in [row for row, word in enumerate(spoken) if spoken.count(word) == 1][:5]:
            hits = {hit.id: hit for hit in words.search(spoken[row], 3)}
            assert hits[video].moments[0].start <= moments["speech"].spans[row, 0] < hits[video].moments[0].end
        frames = collection.moments.read(video, "rgb").features
        classes, probabilities = top_concepts(frames[:2], weight, bias)
        assert probabilities[0] > 0.5
        assert video in {hit.id for hit in concepts.search(load_class_names()[classes[0]], 3)}


def test_words_differ():
    assert len({channels.make_word(i) for i in range(channels.VOCABULARY)}) == channels.VOCABULARY


def test_each_channel_is_measured_and_written(call, tmp_path):
    path = tmp_path / "channels.json"
    code, out, err = call(benchmark, "--channels", "--sizes", 10, "--folder", tmp_path / "data", "--json", path)
    assert code == 0, err
    figures = json.loads(path.read_text())["figures"]
    assert [x["side"] for x in figures] == ["words", "concepts", "words + concepts", "trained"]
    assert all(0 < x["seconds"][0] <= x["seconds"][1] and x["windows"] == 10 for x in figures)
    assert all(x["disk"] > 0 and x["built"] > 0 for x in figures if x["side"] != "words + concepts")
    assert len(out.splitlines()) == 6 and list((tmp_path / "data").iterdir()) == []
