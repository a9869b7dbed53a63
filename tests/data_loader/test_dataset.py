"""Batches, compared with a loop over videos, captions, words and frames."""

import numpy as np
import pytest
import torch

from data_loader.archive import Archive
from data_loader.dataset import Collate, EpochBatchSampler, ExpertDataset
from data_loader.experts import resolve_experts

WORDS, FRAMES = 4, 3


@pytest.fixture
def ids(archive):
    """Return videos with and without experts, with one caption or several, of one word or too many."""
    names = archive.ids[:5]
    rng = np.random.default_rng(1)
    sizes = {"video0": (1,), "video1": (2, WORDS + 3), "video2": (1, 3, 2), "video3": (WORDS,), "video4": (2, 2)}
    archive.text = {name: [rng.normal(size=(n, 10)).astype(np.float16) for n in sizes[name]] for name in names}
    archive.raw = {name: [[f"{name}-{k}-{i}" for i in range(n)] for k, n in enumerate(sizes[name])] for name in names}
    frames = {"video0": 1, "video1": FRAMES + 2, "video3": 2}
    archive.features["audio"] = {name: rng.normal(size=(n, 8)) for name, n in frames.items()}
    for expert in archive.features.values():  # no expert at all
        expert.pop("video4", None)
    archive.write()
    return names


@pytest.fixture
def experts(config):
    config["experts"]["rgb"]["may_be_missing"] = True
    return resolve_experts(config["experts"])


def dataset_of(ids, experts, **options):
    return ExpertDataset(Archive("data/Toy", "Toy", "val"), "train", ids, experts, "toy", 10, WORDS, FRAMES, **options)


@pytest.mark.parametrize("pad_to_max", [False, True])
@pytest.mark.parametrize("chosen", [[0, 1, 2, 3, 4], [3, 0], [4], [0, 0]], ids=["all", "two", "no expert", "a video twice"])
def test_a_batch_equals_the_loop(archive, ids, experts, chosen, pad_to_max):
    dataset = dataset_of(ids, experts)
    num_captions = max(dataset.num_captions)
    assert num_captions == 3
    batch = Collate(dataset, num_captions, pad_to_max)([dataset[i] for i in chosen])
    names = [ids[i] for i in chosen]
    num_words = WORDS if pad_to_max else max(min(WORDS, len(c)) for name in names for c in archive.text[name])
    audio = [archive.features["audio"][name] for name in names if name in archive.features["audio"]]
    num_frames = FRAMES if pad_to_max else max([1, *(min(FRAMES, len(x)) for x in audio)])

    text, word_mask = np.zeros((len(names), num_captions, num_words, 10)), np.zeros((len(names), num_captions, num_words))
    tokens, frame_mask = np.full((len(names), num_frames, 8), np.nan), np.zeros((len(names), num_frames))
    vectors = {"rgb": np.full((len(names), 12), np.nan), "scene": np.full((len(names), 6), np.nan)}
    ind = {name: np.zeros(len(names)) for name in ("audio", "rgb", "scene")}
    for b, name in enumerate(names):
        for k, caption in enumerate(archive.text[name]):
            for w, word in enumerate(caption[:WORDS]):
                text[b, k, w], word_mask[b, k, w] = word, 1
        if name in archive.features["audio"]:
            ind["audio"][b], tokens[b] = 1, 0
            for t, frame in enumerate(archive.features["audio"][name][:FRAMES]):
                tokens[b, t], frame_mask[b, t] = frame, 1
        for expert, rows in vectors.items():
            if name in archive.features[expert]:
                x = archive.features[expert][name].astype(np.float64)
                rows[b], ind[expert][b] = x.mean(axis=0) if x.ndim == 2 else x, 1

    assert batch["ids"] == names
    assert batch["raw_captions"] == [[" ".join(words) for words in archive.raw[name]] for name in names]
    np.testing.assert_allclose(batch["text"], text, rtol=1e-6)
    np.testing.assert_array_equal(batch["word_mask"], word_mask)
    assert list(batch["experts"]) == list(batch["ind"]) == ["audio", "rgb", "scene"]
    assert list(batch["frame_masks"]) == ["audio"]
    np.testing.assert_array_equal(batch["frame_masks"]["audio"], frame_mask)
    for name, expected in {"audio": tokens, **vectors}.items():
        np.testing.assert_allclose(batch["experts"][name], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(batch["ind"][name], ind[name])
    assert {x.dtype for x in (batch["text"], *batch["experts"].values(), *batch["ind"].values())} == {torch.float32}
    assert {x.dtype for x in (batch["word_mask"], *batch["frame_masks"].values())} == {torch.bool}


def test_a_batch_without_any_frames_still_has_a_masked_one(ids, experts):
    """A tensor without frames could not be pooled."""
    dataset = dataset_of(ids, experts)
    batch = Collate(dataset, 3)([dataset[2], dataset[4]])
    assert batch["experts"]["audio"].shape == (2, 1, 8)
    assert not batch["frame_masks"]["audio"].any()


def test_captions_are_fused_before_they_are_cut_and_counted(archive, ids, experts):
    dataset = dataset_of(ids, experts, fuse_captions=True, max_captions=1)
    for i, name in enumerate(ids):
        words = [word for caption in archive.text[name] for word in caption]
        ((found,), (text,)) = dataset[i]["captions"], dataset[i]["raw_captions"]
        np.testing.assert_array_equal(found, np.array(words[:WORDS], np.float32))
        assert text == " ".join(word for caption in archive.raw[name] for word in caption)
    assert max(dataset.num_captions) == 1


@pytest.mark.parametrize("max_captions", [1, 2, 9])
def test_the_first_captions_are_used(archive, ids, experts, max_captions):
    dataset = dataset_of(ids, experts, max_captions=max_captions)
    assert max(dataset.num_captions) == min(max_captions, 3)
    for i, name in enumerate(ids):
        expected = archive.text[name][:max_captions]
        assert dataset[i]["raw_captions"] == [" ".join(words) for words in archive.raw[name][:max_captions]]
        for found, caption in zip(dataset[i]["captions"], expected, strict=True):
            np.testing.assert_array_equal(found, caption[:WORDS])
    assert dataset.availability() == {"audio": 3, "rgb": 4, "scene": sum(x in archive.features["scene"] for x in ids)}


def test_a_draw_picks_every_caption_evenly(ids, experts):
    """video2 has three captions: thirds of [0, 1) pick them, and the sampler's draws cover all three."""
    dataset = dataset_of(ids, experts)
    texts = dataset[2]["raw_captions"]
    for draw, expected in ((0.0, 0), (0.33, 0), (0.34, 1), (0.66, 1), (0.67, 2), (np.nextafter(1, 0), 2)):
        item = dataset[2, draw]
        assert item["raw_captions"] == [texts[expected]]
        np.testing.assert_array_equal(item["captions"], [dataset[2]["captions"][expected]])
    sampler = EpochBatchSampler(5, 2, seed=0)
    picked = []
    for sampler.epoch in range(300):
        picked += [dataset[key]["raw_captions"][0] for batch in sampler for key in batch if key[0] == 2]
    counts = [picked.count(text) for text in texts]
    assert sum(counts) == len(picked) > 200
    assert min(counts) > len(picked) / 3 - 4 * np.sqrt(len(picked) * 2 / 9)  # four standard deviations


@pytest.mark.parametrize(("num_videos", "batch_size"), [(10, 3), (8, 4), (5, 5)])
def test_an_epoch_is_full_batches_of_different_videos_in_a_new_order(num_videos, batch_size):
    sampler = EpochBatchSampler(num_videos, batch_size, seed=3)
    epochs = []
    for sampler.epoch in range(1, 30):
        batches = list(sampler)
        assert [len(batch) for batch in batches] == [batch_size] * (num_videos // batch_size)
        assert len(sampler) == len(batches)
        keys = [key for batch in batches for key in batch]
        assert len({index for index, _ in keys}) == len(keys)
        assert all(0 <= draw < 1 for _, draw in keys)
        assert keys == [key for batch in sampler for key in batch]  # only the epoch decides
        epochs.append(keys)
    assert len({tuple(keys) for keys in epochs}) == len(epochs)
    assert {index for keys in epochs for index, _ in keys} == set(range(num_videos))  # no video is left out forever
    other = EpochBatchSampler(num_videos, batch_size, seed=4)
    other.epoch = 1
    assert [key for batch in other for key in batch] != epochs[0]


@pytest.mark.parametrize("share", [(0, 1), (0, 2), (1, 2)])
def test_a_resumed_epoch_has_the_rest_of_its_batches_and_the_next_one_all(share):
    whole, resumed = (EpochBatchSampler(11, 3, seed=1, share=share) for _ in range(2))
    for first in range(4):
        whole.epoch = resumed.epoch = 2
        resumed.first = first
        assert list(resumed) == list(whole)[first:]
        whole.epoch = resumed.epoch = 3
        resumed.first = 0
        assert list(resumed) == list(whole) and len(list(resumed)) == 3
