"""The captions and words of a batch: means, lost words, lengths per expert, and masked captions."""

import numpy as np
import pytest

from data_loader.archive import Archive
from data_loader.dataset import Collate, EpochBatchSampler, ExpertDataset
from data_loader.experts import resolve_experts
from utils.errors import InputError

DRAWS = np.random.default_rng(0).random(400)


@pytest.fixture
def make(archive, config):
    """Return a function that makes the dataset of four videos, whose captions have 3, 5 and 40 words."""
    rng = np.random.default_rng(1)
    ids = archive.ids[:4]
    archive.text = {video: [rng.normal(size=(n, 10)).astype(np.float16) for n in (3, 5, 40)] for video in ids}
    archive.raw = {video: [[f"{k}"] for k in range(3)] for video in ids}
    archive.features["audio"] = {video: rng.normal(size=(9, 8)) for video in ids}
    archive.features["rgb"] = {video: rng.normal(size=(9, 12)) for video in ids}
    archive.write()
    experts = resolve_experts(config["experts"])

    def make(**options):
        return ExpertDataset(Archive("data/Toy", "Toy", "val"), "train", ids, experts, "toy", 10, 6, 4, **options)

    return make


def test_an_averaged_caption_is_one_word_the_mean_of_all_its_words(make, archive):
    dataset = make(text_agg="avg")
    for i, video in enumerate(dataset.ids):
        for found, words in zip(dataset[i]["captions"], archive.text[video], strict=True):
            np.testing.assert_allclose(found, words.astype(np.float32).mean(axis=0)[None], rtol=1e-5, atol=1e-6)
    batch = Collate(dataset, 3, pad_to_max=True)([dataset[0], dataset[1]])
    assert batch["text"].shape == (2, 3, 1, 10) and batch["word_mask"].all()
    fused = make(text_agg="avg", fuse_captions=True)
    words = np.concatenate(archive.text[dataset.ids[0]]).astype(np.float32)
    np.testing.assert_allclose(fused[0]["captions"], words.mean(axis=0)[None, None], rtol=1e-5, atol=1e-6)


def test_lengths_may_differ_per_expert_and_for_text(make):
    dataset = make(max_tokens={"text": 4, "audio": 7, "speech": 1})
    batch = Collate(dataset, 3, pad_to_max=True)([dataset[0]])
    assert batch["text"].shape == (1, 3, 4, 10) and batch["experts"]["audio"].shape == (1, 7, 8)
    assert batch["word_mask"][0].sum(dim=1).tolist() == [3, 4, 4] and batch["frame_masks"]["audio"].all()
    dataset = make(max_tokens={"speech": 1})
    assert [len(x) for x in dataset[0]["captions"]] == [3, 5, 6] and len(dataset[0]["experts"]["audio"]) == 4


def kept(dataset, draw, words):
    """Return which of a caption's words the dataset has kept for a draw."""
    (caption,) = dataset[0, draw]["captions"]
    rows = [int(np.flatnonzero((words == word).all(axis=1))[0]) for word in caption.astype(np.float16)]
    assert rows == sorted(set(rows)) and rows
    return np.isin(np.arange(len(words)), rows)


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_words_are_lost_as_often_as_asked_and_half_of_them(make, archive, probability):
    words = archive.text[archive.ids[0]][2]
    dataset = make(max_tokens={"text": 40}, text_dropout=probability)
    draws = 2 / 3 + DRAWS / 3  # the third caption, of 40 words
    masks = np.array([kept(dataset, draw, words) for draw in draws])
    lossy = masks[~masks.all(axis=1)]
    assert abs(len(lossy) - probability * 400) <= 4 * np.sqrt(400 * probability * (1 - probability))
    assert abs(lossy.mean() - 0.5) < 4 * 0.5 / np.sqrt(lossy.size)
    again = make(max_tokens={"text": 40}, text_dropout=probability)
    for draw, mask in zip(draws[:9], masks, strict=False):  # the draw decides, nothing else
        np.testing.assert_array_equal(kept(again, draw, words), mask)
    np.testing.assert_array_equal(dataset[0]["captions"][2], words.astype(np.float32))  # all captions, as in evaluation


def test_a_caption_keeps_a_word_and_is_cut_after_it_lost_some(make, archive):
    archive.text = {video: [captions[0][:1]] * 3 for video, captions in archive.text.items()}
    archive.write()
    dataset = make(text_dropout=1.0)
    assert all(len(dataset[0, draw]["captions"][0]) == 1 for draw in DRAWS)


def test_lost_words_leave_a_cut_caption_as_long_as_before(make):
    dataset = make(text_dropout=1.0)  # 40 words, of which six are used
    assert {len(dataset[0, 2 / 3 + draw / 3]["captions"][0]) for draw in DRAWS} == {6}


def test_a_masked_caption_is_never_drawn_but_evaluated(make, archive):
    masks = [[1, 0, 1], np.array([0, 1, 0]), (1.0, 1.0, 1.0), [0, 0, 1, 1]]
    dataset = make(caption_masks=masks)
    sampler = EpochBatchSampler(4, 2, seed=0)
    drawn = {i: [] for i in range(4)}
    for sampler.epoch in range(60):
        for index, draw in (key for batch in sampler for key in batch):
            drawn[index] += dataset[index, draw]["raw_captions"]
    assert {index: set(texts) for index, texts in drawn.items()} == {0: {"0", "2"}, 1: {"1"}, 2: {"0", "1", "2"}, 3: {"2"}}
    assert 60 / 2 - 4 * np.sqrt(60) / 2 < drawn[0].count("2") < 60 / 2 + 4 * np.sqrt(60) / 2
    assert [len(dataset[i]["captions"]) for i in range(4)] == [3] * 4


def test_masks_are_of_the_captions_in_the_file(make, archive):
    """A caption without a word is left out, its entry in the mask is not."""
    archive.text[archive.ids[0]][0] = np.zeros((0, 10), np.float16)
    archive.write()
    dataset = make(caption_masks=[[1, 0, 1]] * 4)
    assert {dataset[0, draw]["raw_captions"][0] for draw in DRAWS} == {"2"}


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([0, 0, 0], "'video0' has no 1, expected a training_file without this video"),
        ([1, 1], "'video0' has 2 values, expected 0 or 1 for each of its captions"),
        ([1, 2, 0], "'video0' has 2, expected 0 or 1"),
        ([1, [1], 0], r"'video0' has \[1\], expected 0 or 1"),
        (np.ones((3, 2)), r"'video0' has \[1.0, 1.0\], expected 0 or 1"),
        (1, "'video0' has 1, expected 0 or 1 for each"),
        (None, "'video0' has None, expected 0 or 1 for each"),
    ],
)
def test_a_mask_that_does_not_fit_is_one_line_with_the_video(make, mask, message):
    with pytest.raises(InputError, match=f"^caption_masks: {message}"):
        make(caption_masks=[mask, [1, 1, 1], [1, 1, 1], [1, 1, 1]])
