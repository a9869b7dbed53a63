"""Experts and words that a drawn item loses: which, how often, and never the last one."""

import numpy as np
import pytest
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from data_loader.archive import Archive
from data_loader.dataset import Collate, ExpertDataset, draw_kept
from data_loader.experts import resolve_experts

NAMES = ["audio", "rgb", "scene"]
PRESENT = [NAMES, ["audio", "rgb"], ["rgb"], []]  # of each video
WORDS = (12, 3, 1)  # of the captions of each video
DRAWS = np.random.default_rng(0).random(1500)
THIRD_DRAWS = [DRAWS / 3, 1 / 3 + DRAWS / 3, 2 / 3 + DRAWS / 3]  # of each caption


@pytest.fixture
def make(archive, config):
    """Return a function that makes the dataset of four videos."""
    rng = np.random.default_rng(1)
    ids = archive.ids[:4]
    archive.text = {video: [rng.normal(size=(n, 10)).astype(np.float16) for n in WORDS] for video in ids}
    archive.raw = {video: [[f"{k}"] for k in range(3)] for video in ids}
    for name, shape in (("audio", (9, 8)), ("rgb", (9, 12)), ("scene", (6,))):
        with_it = [video for video, names in zip(ids, PRESENT, strict=True) if name in names]
        archive.features[name] = {video: rng.normal(size=shape) for video in with_it}
    archive.write()
    config["experts"]["rgb"]["may_be_missing"] = True
    experts = resolve_experts(config["experts"])

    def make(**options):
        return ExpertDataset(Archive("data/Toy", "Toy", "val"), "train", ids, experts, "toy", 10, 30, 4, **options)

    return make


def present(item):
    return {name for name, x in item["experts"].items() if x is not None}


def share_lost(count, probability):
    """Return how often one of `count` things is lost that are lost independently, but one of them if all are stays."""
    return probability - probability**count / count


def assert_frequency(found, expected):
    """Assert that the mean of `found`, zeros and ones, differs from what is expected by chance only."""
    assert abs(np.mean(found) - expected) <= 4.5 * np.sqrt(expected * (1 - expected) / np.size(found)) + 1e-12


@given(draw=st.floats(0, 1, exclude_max=True), count=st.integers(0, 9), probability=st.floats(0, 1, exclude_max=True))
@examples(100)
def test_what_a_draw_keeps_is_that_of_a_loop(draw, count, probability):
    found = draw_kept(draw, 2, count, probability)
    rng = np.random.default_rng((int(draw * 2**53), 2))
    noise = [rng.random() for _ in range(count)]
    expected = []
    for x in noise:
        expected.append(x >= probability)
    if count and not any(expected):
        expected[noise.index(max(noise))] = True
    assert found.tolist() == expected


@pytest.mark.parametrize("probability", [0.1, 0.7])
def test_each_expert_is_hidden_as_often_as_asked_but_the_last_one_stays(make, probability):
    dataset = make(expert_dropout=probability)
    for index, names in enumerate(PRESENT):
        kept = [present(dataset[index, draw]) for draw in DRAWS]
        assert all(found <= set(names) and (found or not names) for found in kept)
        for name in names:
            assert_frequency([name not in found for found in kept], share_lost(len(names), probability))
    pairs = [present(dataset[0, draw]) for draw in DRAWS]  # independent of each other, given that not all are lost
    both = probability**2 * (1 - probability) + probability**3 / 3
    assert_frequency([not found & {"audio", "rgb"} for found in pairs], both)


def test_a_hidden_expert_is_as_one_that_the_video_lacks(make, archive):
    whole, hiding = make(), make(expert_dropout=0.6)
    keys = [(index, draw) for index in range(4) for draw in DRAWS[:8]]
    found = Collate(hiding, 1)([hiding[key] for key in keys])
    items = []
    for key in keys:
        item = whole[key]
        lost = set(NAMES) - present(hiding[key])
        items.append({**item, "experts": {name: None if name in lost else x for name, x in item["experts"].items()}})
    expected = Collate(whole, 1)(items)
    assert found.keys() == expected.keys()
    for name in NAMES:
        assert 0 < found["ind"][name].sum() < sum(name in names for names in PRESENT) * 8
        for part in ("ind", "experts", "frame_masks"):
            if name in expected[part]:
                torch.testing.assert_close(found[part][name], expected[part][name], rtol=0, atol=0, equal_nan=True)
        assert found["experts"][name][found["ind"][name] == 0].isnan().all()
    assert found["text"].equal(expected["text"])


def kept_words(dataset, k, draws):
    """Return which words of caption `k` of the first video each draw keeps."""
    words = make_words(dataset, k)
    masks = []
    for draw in draws:
        (caption,) = dataset[0, draw]["captions"]
        rows = [int(np.flatnonzero((words == word).all(axis=1))[0]) for word in caption]
        assert rows == sorted(set(rows)) and rows
        masks.append(np.isin(np.arange(len(words)), rows))
    return np.array(masks)


def make_words(dataset, k):
    return dataset[0]["captions"][k]


@pytest.mark.parametrize("probability", [0.1, 0.7])
def test_each_word_is_lost_as_often_as_asked_but_the_last_one_stays(make, probability):
    dataset = make(word_dropout=probability)
    for k, count in enumerate(WORDS):
        masks = kept_words(dataset, k, THIRD_DRAWS[k])
        assert masks.shape == (len(DRAWS), count)
        for lost in (~masks).T:
            assert_frequency(lost, share_lost(count, probability))


def test_experts_and_words_of_one_draw_are_lost_independently(make):
    dataset = make(word_dropout=0.5, expert_dropout=0.5)
    draws = THIRD_DRAWS[1]  # a caption of three words, a video of three experts
    words = kept_words(dataset, 1, draws)
    experts = np.array([[name in present(dataset[0, draw]) for name in NAMES] for draw in draws])
    assert np.abs(np.corrcoef(words.T, experts.T)[:3, 3:]).max() < 4.5 / np.sqrt(len(draws))


def test_a_mean_is_that_of_the_words_that_are_left(make):
    dataset, mean = make(word_dropout=0.5), make(word_dropout=0.5, text_agg="avg")
    for draw in DRAWS[:20]:
        expected = dataset[1, draw]["captions"][0].mean(axis=0)[None]
        np.testing.assert_allclose(mean[1, draw]["captions"][0], expected, rtol=1e-5, atol=1e-6)


def test_words_are_lost_before_a_caption_is_cut(make):
    dataset = make(word_dropout=0.5, max_tokens={"text": 4})
    kept = kept_words(make(word_dropout=0.5), 0, DRAWS[:50] / 3)
    for mask, draw in zip(kept, DRAWS[:50] / 3, strict=True):
        assert len(dataset[0, draw]["captions"][0]) == min(4, mask.sum())


def test_nothing_is_lost_in_evaluation_or_without_the_switches(make):
    plain, dropping, off = make(), make(word_dropout=0.9, expert_dropout=0.9), make(word_dropout=0.0, expert_dropout=0.0)
    for index in range(4):
        assert_same_item(plain[index], dropping[index])
        for draw in DRAWS[:10]:
            assert_same_item(plain[index, draw], off[index, draw])


def assert_same_item(one, other):
    assert one.keys() == other.keys() and one["raw_captions"] == other["raw_captions"]
    for x, y in zip(one["captions"], other["captions"], strict=True):
        np.testing.assert_array_equal(x, y)
    for name, x in one["experts"].items():
        assert (x is None) == (other["experts"][name] is None)
        if x is not None:
            np.testing.assert_array_equal(x, other["experts"][name])
