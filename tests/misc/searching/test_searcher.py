"""Searching a collection with a checkpoint: scores are those of an evaluation, whichever experts are missing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.search_collection import open_searcher, write_checkpoint

from misc.searching import embedding
from misc.searching.building import add_videos, build_index, remove_videos
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.vector_store import IndexLocation
from model.model import CENet
from trainer.build import build_model
from utils.errors import InputError

LOCATION = IndexLocation("Toy")
CPU = torch.device("cpu")


def opened(checkpoint, kind="flat", location=LOCATION):
    """A searcher with a new index."""
    embedder = Embedder(checkpoint, CPU)
    build_index(embedder, Collection(location.name, location.folder, embedder.config, embedder.experts), location, kind)
    return open_searcher(location, checkpoint)


def test_weights_are_those_that_apply_to_a_video(collection):
    searcher = opened(collection[1])
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
    searcher = opened(collection[1])
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


def test_an_updated_index_equals_a_new_one(collection):
    archive, checkpoint = collection
    lists = archive.folder / "all_list.txt"
    lists.write_text("\n".join(archive.ids[:30]))
    opened(checkpoint).close()
    embedder = Embedder(checkpoint, CPU)
    remove_videos(LOCATION, archive.ids[5:10])
    lists.write_text("\n".join(archive.ids))
    grown = Collection("Toy", LOCATION.folder, embedder.config, embedder.experts)
    assert open_searcher(LOCATION, checkpoint).lacking == [*archive.ids[5:10], *archive.ids[30:]]
    assert add_videos(embedder, grown, LOCATION, None) == 19
    assert add_videos(embedder, grown, LOCATION, None) == 0
    changed = open_searcher(LOCATION, checkpoint)
    other = opened(checkpoint, location=IndexLocation("Toy", index_dir=Path("other")))
    one, two = (x.search("a red bird", 44).hits for x in (changed, other))
    assert [hit.id for hit in one] == [hit.id for hit in two]
    np.testing.assert_allclose([hit.similarity for hit in one], [hit.similarity for hit in two], atol=1e-6)
    with pytest.raises(InputError, match="no video 'nobody' in it"):
        add_videos(embedder, grown, LOCATION, ["nobody"])
    with pytest.raises(InputError, match="no video 'nobody' in it"):
        remove_videos(LOCATION, ["nobody"])
    assert len(open_searcher(LOCATION, checkpoint).ids) == 44


def test_another_checkpoint_is_refused(collection, config):
    archive, checkpoint = collection
    opened(checkpoint).close()
    same = write_checkpoint("copy.pth", config)
    open_searcher(LOCATION, same).close()
    for number, options in enumerate(({"seed": 1}, {"keep_missing_modalities": True}, {"mask_padding": False})):
        other = write_checkpoint(f"other{number}.pth", config, **options)
        with pytest.raises(InputError, match=r"data/Toy/index: built with model.pth \(weights .*\), found other"):
            open_searcher(LOCATION, other)
        embedder = Embedder(other, CPU)
        with pytest.raises(InputError, match="data/Toy/index: built with model.pth"):
            add_videos(embedder, Collection("Toy", LOCATION.folder, embedder.config, embedder.experts), LOCATION, None)


def test_a_model_with_another_score_is_refused(collection, monkeypatch):
    class OtherCENet(CENet):
        def score(self, *args, **kwargs):
            return -super().score(*args, **kwargs)

    def build_other(config):
        model = build_model(config)
        model.__class__ = OtherCENet
        return model

    monkeypatch.setattr(embedding, "build_model", build_other)
    with pytest.raises(InputError, match="model.pth: OtherCENet has a score of its own"):
        Embedder(collection[1], CPU)


def test_the_score_of_2019_is_refused(collection, config):
    checkpoint = write_checkpoint("leaky.pth", config, similarity="paired-2019")
    with pytest.raises(InputError, match="leaky.pth: arch.args.similarity is 'paired-2019', expected 'pairwise'"):
        Embedder(checkpoint, CPU)


def test_an_expert_without_a_file_is_missing_everywhere(collection, caplog):
    archive, checkpoint = collection
    (archive.folder / "rgb.pickle").unlink()
    searcher = opened(checkpoint)
    assert "no file of rgb: missing in every video" in caplog.text
    hits = searcher.search("a red bird", 44).hits
    assert len(hits) == 44 and all("rgb" not in hit.experts for hit in hits)
    bare = [hit for hit in hits if not hit.experts]
    assert bare and all(hit.similarity == 0 for hit in bare)
    for name in ("scene", "audio"):
        (archive.folder / f"{name}.pickle").unlink()
    with pytest.raises(InputError, match="no file of any of the checkpoint's experts"):
        opened(checkpoint)


def test_features_of_another_dimension_are_refused(collection):
    archive, checkpoint = collection
    archive.features["rgb"]["video3"] = np.ones((2, 13), np.float16)
    archive.dump("rgb.pickle", archive.features["rgb"])
    with pytest.raises(InputError, match="rgb.pickle: 'video3' has dimension 13, expected 12"):
        opened(checkpoint)
    assert not LOCATION.has_index()


def test_a_collection_without_captions_or_lists(collection):
    archive, checkpoint = collection
    for name in ("text-toy.pickle", "raw-captions.pkl", *archive.lists):
        (archive.folder / name).unlink()
    searcher = opened(checkpoint, "ivf")
    assert set(searcher.ids) == set(archive.ids)
    hits = searcher.search("a red bird", 3).hits
    assert len(hits) == 3 and hits[0].captions == []
    assert searcher.v2t("video0") == []


def test_a_video_without_captions_is_found(collection):
    archive, checkpoint = collection
    del archive.text["video1"], archive.raw["video1"]
    archive.text["video2"] = []
    archive.dump("text-toy.pickle", archive.text)
    archive.dump("raw-captions.pkl", archive.raw)
    searcher = opened(checkpoint, "hnsw")
    assert {hit.id for hit in searcher.search("a red bird", 44).hits} == set(archive.ids)
    assert searcher.get_captions("video1") == []
    assert {hit.video for hit in searcher.v2t("video1", 1000)} == set(archive.ids) - {"video1", "video2"}


def test_empty_queries_are_refused(collection):
    searcher = opened(collection[1])
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
    opened(checkpoint).close()
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
    searcher = opened(collection[1])
    for content in ([], {"video0": "SALE"}, {"video0": [1]}):
        (collection[0].folder / "ocr-words.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match="ocr-words.json: expected an object"):
            searcher.get_hit("video0")


def test_long_queries_are_cut_as_captions_are(collection):
    searcher = opened(collection[1])
    words = [f"word{i}" for i in range(60)]
    one, other = (searcher.search(" ".join(words[:n]), 5) for n in (30, 60))
    assert one.hits == other.hits and one.hits != searcher.search(" ".join(words[:29]), 5).hits


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_a_build_says_how_much_an_approximate_index_finds(collection, caplog, kind):
    caplog.set_level("INFO")
    opened(collection[1], kind)
    assert f"{kind}: recall@10 1.000 against exact search with 44 of its captions as queries (effort 1)" in caplog.text
