"""Batches that lose experts and words depend on seed, epoch and item only, not on workers, processes or interruptions."""

import pytest
import torch

LOSSES = {"word_dropout": 0.4, "expert_dropout": 0.4}


def items_of(loaders, epoch, first=0):
    """Return (video, words, experts) of each item of an epoch from a batch on, without padding."""
    loaders.sampler.epoch, loaders.sampler.first = epoch, first
    items = []
    for batch in loaders.train:
        for i, video in enumerate(batch["ids"]):
            words = batch["text"][i, 0][batch["word_mask"][i, 0]]
            experts = {name: x[i] for name, x in batch["experts"].items() if batch["ind"][name][i]}
            masks = batch["frame_masks"]
            items.append((video, words, {n: x[masks[n][i]] if n in masks else x for n, x in experts.items()}))
    return items


def assert_same(one, other):
    assert [video for video, *_ in one] == [video for video, *_ in other]
    for (_, words, experts), (_, other_words, other_experts) in zip(one, other, strict=True):
        assert torch.equal(words, other_words) and experts.keys() == other_experts.keys()
        assert all(torch.equal(x, other_experts[name]) for name, x in experts.items())


def test_the_rest_of_an_epoch_is_the_same_after_an_interruption(make):
    whole = make(**LOSSES)
    for epoch in (1, 2):
        assert_same(items_of(make(**LOSSES), epoch, first=1), items_of(whole, epoch)[8:])


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_make_the_same_batches(make, num_workers):
    assert_same(items_of(make(**LOSSES, num_workers=num_workers), 3), items_of(make(**LOSSES), 3))


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_same_batches(make, processes):
    expected = {video: (words, experts) for video, words, experts in items_of(make(**LOSSES), 1)}
    found = [item for rank in range(processes) for item in items_of(make(**LOSSES, share=(rank, processes)), 1)]
    assert len(found) == len(expected) == 24
    assert_same(found, [(video, *expected[video]) for video, *_ in found])


def test_seeds_and_epochs_differ(make):
    def lost(loaders, epoch):
        return {video: sorted(experts) for video, _, experts in items_of(loaders, epoch)}

    found = [lost(make(**LOSSES, seed=seed), epoch) for seed in (0, 1) for epoch in (1, 2)]
    assert all(one != other for i, one in enumerate(found) for other in found[:i])


@pytest.mark.parametrize("key", LOSSES)
def test_each_key_loses_what_it_names(make, key):
    counts = [
        [(len(words), len(experts)) for _, words, experts in items_of(make(**losses), 1)] for losses in ({}, {key: 0.4})
    ]
    place = list(LOSSES).index(key)
    for before, after in zip(*counts, strict=True):
        assert 1 <= after[place] <= before[place] and after[1 - place] == before[1 - place]
    assert counts[0] != counts[1]


def test_evaluation_and_query_bank_lose_nothing(make, workplace):
    loaders, plain = make(**LOSSES, bank=True), make(bank=True)
    for found, expected in ((loaders.evaluation, plain.evaluation), (loaders.bank, plain.bank)):
        for batch, other in zip(found, expected, strict=True):
            assert batch["word_mask"].equal(other["word_mask"]) and batch["text"].equal(other["text"])
            assert all(x.equal(other["ind"][name]) for name, x in batch["ind"].items())
