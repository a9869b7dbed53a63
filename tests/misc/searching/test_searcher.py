"""Searching a collection with a checkpoint: scores are those of an evaluation, whichever experts are missing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.search_collection import CPU, LOCATION, open_new_index, open_searcher, write_checkpoint

from misc.searching.building import add_videos
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from utils.errors import InputError


def test_weights_are_those_that_apply_to_a_video(collection):
    searcher = open_new_index(collection[1])
    answer = searcher.search("a red bird", 44)
    assert list(answer.weights) == ["audio", "rgb", "scene"] and sum(answer.weights.values()) == pytest.approx(1)
    lacking = 0
    for hit in answer.hits:
        total = sum(answer.weights[name] for name in hit.experts)
        for name, weight in hit.weights.items():
            assert weight == pytest.approx(answer.weights[name] / total if name in hit.experts else 0)
        features = collection[0].features
        assert hit.experts == [name for name in ("audio", "rgb", "scene") if hit.id in features[name]]
        lacking += len(hit.experts) < 3
        assert hit.captions == [" ".join(words) for words in collection[0].raw[hit.id]]
    assert lacking > 10
    (hit,) = [hit for hit in answer.hits if hit.id == "video0"]
    assert hit.words == {"ocr": ["SALE", "50%"]} and hit.clip is None
    assert searcher.get_hit("video1").words == {}


def test_videos_like_one_share_experts_with_it(collection):
    searcher = open_new_index(collection[1])
    embedder = Embedder(collection[1], CPU)
    loaded = Collection("Toy", LOCATION.folder, embedder.config, embedder.experts)
    parts = [embedder.embed_videos(batch) for batch in loaded.load_videos(loaded.ids, 7)]
    experts = [torch.cat(x) for x in zip(*(part.experts for part in parts), strict=True)]
    available = torch.cat([part.available for part in parts])
    for number in (0, 5, 11):
        answer = searcher.similar(loaded.ids[number], 60)
        assert len(answer.hits) == 43 and answer.weights is None and loaded.ids[number] not in {x.id for x in answer.hits}
        for hit in answer.hits:
            other = loaded.ids.index(hit.id)
            both = [i for i in range(3) if available[number, i] and available[other, i]]
            products = [float(experts[i][number] @ experts[i][other]) for i in both]
            assert hit.similarity == pytest.approx(np.mean(products) if both else 0, abs=2e-6)


def test_another_checkpoint_is_refused(collection, config):
    archive, checkpoint = collection
    open_new_index(checkpoint).close()
    same = write_checkpoint("copy.pth", config)
    open_searcher(LOCATION, same).close()
    for number, options in enumerate(({"seed": 1}, {"keep_missing_modalities": True}, {"mask_padding": False})):
        other = write_checkpoint(f"other{number}.pth", config, **options)
        with pytest.raises(InputError, match=r"data/Toy/index: built with model.pth \(weights .*\), found other"):
            open_searcher(LOCATION, other)
        embedder = Embedder(other, CPU)
        with pytest.raises(InputError, match="data/Toy/index: built with model.pth"):
            add_videos(embedder, Collection("Toy", LOCATION.folder, embedder.config, embedder.experts), LOCATION, None)


def test_a_video_without_captions_is_found(collection):
    archive, checkpoint = collection
    del archive.text["video1"], archive.raw["video1"]
    archive.text["video2"] = []
    archive.dump("text-toy.pickle", archive.text)
    archive.dump("raw-captions.pkl", archive.raw)
    searcher = open_new_index(checkpoint, "hnsw")
    assert {hit.id for hit in searcher.search("a red bird", 44).hits} == set(archive.ids)
    assert searcher.get_captions("video1") == []
    assert {hit.video for hit in searcher.v2t("video1", 1000)} == set(archive.ids) - {"video1", "video2"}


def test_empty_queries_are_refused(collection):
    searcher = open_new_index(collection[1])
    for query in ("", " \n"):
        with pytest.raises(InputError, match="query: empty"):
            searcher.search(query)
    with pytest.raises(InputError, match=r"query: '\? \?' has no word"):
        searcher.search("? ?")
    for k in (0, -1, 10**9):
        with pytest.raises(InputError, match="k: .*, expected a number from 1"):
            searcher.search("a bird", k)
    for method in (searcher.similar, searcher.v2t):
        with pytest.raises(InputError, match="no video 'nobody' in it"):
            method("nobody")


def test_encoders_that_do_not_fit_are_refused(collection):
    checkpoint = collection[1]
    open_new_index(checkpoint).close()
    searcher = open_searcher(LOCATION, checkpoint, encoder="other")
    with pytest.raises(InputError, match="'other': word vectors 'elsewhere' of dimension 12, expected 'toy' of 10"):
        searcher.search("a bird")
    path = Path("data/Toy/extraction.json")
    for content in ("[]", "{}", '{"text": 1}', '{"text": {"encoder": 3}}'):
        path.write_text(content)
        with pytest.raises(InputError, match=r"extraction.json: text.encoder: not found"):
            open_searcher(LOCATION, checkpoint).search("a bird")
    path.unlink()
    with pytest.raises(InputError, match="no extraction.json .*, expected --encoder SPEC, one with .* 'toy'"):
        open_searcher(LOCATION, checkpoint).search("a bird")
    assert open_searcher(LOCATION, checkpoint, encoder="stub").search("a bird").hits


def test_invalid_recognized_words_are_refused(collection):
    searcher = open_new_index(collection[1])
    for content in ([], {"video0": "SALE"}, {"video0": [1]}):
        (collection[0].folder / "ocr-words.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match="ocr-words.json: expected an object"):
            searcher.get_hit("video0")


def test_long_queries_are_cut_as_captions_are(collection):
    searcher = open_new_index(collection[1])
    words = [f"word{i}" for i in range(60)]
    one, other = (searcher.search(" ".join(words[:n]), 5) for n in (30, 60))
    assert one.hits == other.hits and one.hits != searcher.search(" ".join(words[:29]), 5).hits
