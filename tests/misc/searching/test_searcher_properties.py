"""A search ranks videos and captions as the similarities of test.py do, for any model and whichever experts are missing."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.properties import examples
from helpers.search_collection import StubEncoder, open_searcher, write_checkpoint
from helpers.toy_archive import CONFIG, Archive, changed
from hypothesis import given
from hypothesis import strategies as st

import test as test_command
from misc.searching.building import build_index
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.index.vector_store import IndexLocation

SWITCHES = {
    "ce": {},
    "padding": {"mask_padding": False},
    "l2renorm": {"l2renorm": True},
    "keep": {"keep_missing_modalities": True},
    "moee": {"use_ce": False},
    "mw": {"use_ce": False, "freeze_weights": True},
    "concat": {"use_ce": False, "concat_mix_experts": True},
    "avg": {"test_caption_mode": "avg"},
}
CLOSE = {"rtol": 0, "atol": 2e-6}


def write_archive(seed, num_videos, missing, without_words):
    """Write an archive; the videos of the test split lack a share of each expert, and of the words of first captions."""
    archive, rng = Archive(Path.cwd(), num_train=8, num_val=1, num_test=num_videos, seed=seed), np.random.default_rng(seed)
    archive.lists["all_list.txt"] = archive.lists["test_list.txt"]
    for features in archive.features.values():
        for video in list(features)[1:]:
            if rng.random() < missing:
                del features[video]
    for video in archive.ids:
        archive.text[video].append(archive.text[video][0][::-1])
        archive.raw[video].append(archive.raw[video][0][::-1])
        if rng.random() < without_words:
            archive.text[video][0], archive.raw[video][0] = archive.text[video][0][:0], []
    return archive.write()


def evaluate(checkpoint):
    """Return what `test.py --save_sims` writes of the single captions."""
    arguments = ["--resume", checkpoint, "--split", "test", "--save_sims", "sims.npz"]
    arguments += ["--set", "arch.args.test_caption_mode=indep"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["test.py", *map(str, arguments)])
        test_command.main()
    with np.load("sims.npz") as saved:
        return dict(saved)


def search(archive, checkpoint):
    """Return a searcher with a new index, for queries `<video>#<k>`, which stand for the captions of the archive."""
    Path("data/Toy/extraction.json").write_text(json.dumps({"text": {"encoder": "stub"}}))
    location, embedder = IndexLocation("Toy"), Embedder(checkpoint)
    build_index(embedder, Collection(location.name, location.folder, embedder.config, embedder.experts), location, "flat")
    return open_searcher(location, checkpoint)


def assert_ranked(found, similarities, k):
    """Check that `found` are the k first of a ranking by `similarities`, which may be in any order if they round alike."""
    names, scores = zip(*found, strict=True)
    assert len(set(names)) == len(names) == min(k, len(similarities))
    np.testing.assert_allclose(scores, [similarities[name] for name in names], **CLOSE)
    np.testing.assert_allclose(scores, sorted(similarities.values(), reverse=True)[:k], **CLOSE)


@pytest.mark.parametrize("name", SWITCHES)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_videos=st.sampled_from([10, 1, 2, 17]),
    missing=st.sampled_from([0.5, 0, 0.9]),
    without_words=st.sampled_from([0.3, 0, 1]),
    experts=st.sampled_from([["audio", "rgb", "scene"], ["rgb", "scene"], ["audio", "scene"]]),
    k=st.sampled_from([100, 3, 1]),
)
@examples(2)
def test_rankings_are_those_of_the_similarities_of_an_evaluation(
    tmp_path_factory, name, seed, num_videos, missing, without_words, experts, k
):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("search"))
        archive = write_archive(seed, num_videos, missing, without_words)

        class Captions(StubEncoder):
            def _vectors(self, text):
                video, _, number = text.partition("#")
                return archive.text[video][int(number)].astype(np.float32)

        patch.setattr("misc.extractors.text_encoders.build_text_encoder", lambda spec, device="cpu": Captions())
        patch.setattr("misc.searching.searcher.calibrate", lambda *_: None)  # the encoder has no other texts
        config = changed(json.loads(json.dumps(CONFIG)), {"experts.modalities": experts, "experts.rgb.may_be_missing": True})
        checkpoint = write_checkpoint("model.pth", config, seed=seed % 2**31, **SWITCHES[name])
        saved = evaluate(checkpoint)
        rows = [row for row, caption in enumerate(saved["caption_ids"]) if caption]
        videos, captions, sims = saved["video_ids"].tolist(), saved["caption_ids"][rows].tolist(), saved["sims"][rows]
        assert videos == archive.lists["test_list.txt"]
        assert captions == [f"{v}#{i}" for v in videos for i, words in enumerate(archive.text[v]) if len(words)]
        searcher = search(archive, checkpoint)
        assert searcher.ids == videos and not searcher.lacking
        for caption, row in zip(captions, sims, strict=True):
            hits = searcher.search(caption, k).hits
            assert_ranked([(hit.id, hit.similarity) for hit in hits], dict(zip(videos, row.tolist(), strict=True)), k)
            assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        for video, column in zip(videos, sims.T, strict=True):
            hits = searcher.v2t(video, k)
            assert_ranked([(hit.id, hit.similarity) for hit in hits], dict(zip(captions, column.tolist(), strict=True)), k)
            for hit in hits:
                owner, _, number = hit.id.partition("#")
                assert (hit.video, hit.caption) == (owner, " ".join(archive.raw[owner][int(number)]))
        searcher.close()
