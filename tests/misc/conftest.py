"""Fixtures of the tests of `misc/search.py`."""

import json
from pathlib import Path

import numpy as np
import pytest

import misc.search as search_command
from misc.searching.channels import concepts

CLASSES = ["tench", "zebra", "sports car"]


@pytest.fixture
def search(call):
    """Run a command of misc/search.py that succeeds and return its standard output and standard error."""

    def search(*arguments):
        code, out, err = call(search_command, *arguments)
        assert code == 0, err
        return out, err

    return search


@pytest.fixture
def refuse(call):
    """Run a command of misc/search.py that refuses its input and return its error message."""

    def refuse(*arguments):
        code, _, err = call(search_command, *arguments)
        last = err.splitlines()[-1]
        assert code == 2 and last.startswith("error: ") and "Traceback" not in err, err
        return last

    return refuse


@pytest.fixture
def folder(workplace, monkeypatch):
    """A collection as it is extracted without captions: lists, recognized words, and features rgb of a stubbed network."""
    feats = workplace.folder
    for name in (*workplace.lists, "text-toy.pickle", "raw-captions.pkl"):
        (feats / name).unlink()
    (feats / "all_list.txt").write_text("".join(f"{video}\n" for video in workplace.ids))
    (feats / "versions.json").write_text(json.dumps(dict.fromkeys(workplace.ids, "1")))
    (feats / "ocr-words.json").write_text(json.dumps({"video3": ["Thanks", "for", "watching"], "video5": ["SALE"]}))
    rgb = {video: np.zeros((2, concepts.DIM), np.float32) for video in workplace.ids}
    for i, video in enumerate(workplace.ids):
        rgb[video][:, 0] = 1
        rgb[video][1, 1] = 9 if video == "video7" else 0
        rgb[video][1, 5] = i + 1
    workplace.features["rgb"] = rgb
    workplace.dump("rgb.pickle", rgb)
    experts = {"rgb": {"dim": concepts.DIM, "aggregation": "avg", "kind": "sequence"}}
    settings = {"experts": {"rgb": {"extractor": "rgb", "options": {}}}}
    record = {"text": {"encoder": "stub", "feat": "toy", "dim": 10}, "settings": settings, "experts": experts}
    Path("data/Toy/extraction.json").write_text(json.dumps(record))
    classifier = np.eye(len(CLASSES), concepts.DIM, dtype=np.float32), np.zeros(len(CLASSES), np.float32)
    monkeypatch.setattr(concepts, "load_class_names", lambda: CLASSES)
    monkeypatch.setattr(concepts, "load_classifier", lambda: classifier)

    class Encoder:
        def embed_sentences(self, texts):
            return np.array([[float(text == name) for name in CLASSES] + [float(text not in CLASSES)] for text in texts])

    monkeypatch.setattr("misc.extractors.text_encoders.build_text_encoder", lambda spec, device="cpu": Encoder())
    return Path("data/Toy")
