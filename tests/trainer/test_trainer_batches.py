"""Training does not depend on which worker collates the batches, or how far they are padded."""

import copy
import os

import pytest
import torch
from helpers.toy_archive import CONFIG
from helpers.training import CPU, train_steps

from base.device import to_device
from parse_config import ConfigParser
from trainer.build import build_loaders, build_model, loader_arguments


@pytest.fixture
def train(archive, monkeypatch):
    """Train two epochs with noise (`arch.args.randomise_feats`); return losses, weights and the width of the words."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)  # or there may be fewer workers
    archive.text["video0"] = [words[:2] for words in archive.text["video0"]]
    archive.write()

    def train(num_workers=0, *settings, **changed):
        settings = ("arch.args.randomise_feats=scene", f"data_loader.args.num_workers={num_workers}", *settings)
        config = ConfigParser(copy.deepcopy(CONFIG), "test", settings)
        loaders = build_loaders(config, CPU, **changed)
        assert loaders.train.num_workers == num_workers
        torch.manual_seed(1)
        model = build_model(config).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        widths = set()
        model.text_pooling.register_forward_pre_hook(lambda _, inputs: widths.add(inputs[0].shape[1]))
        losses = []
        for loaders.sampler.epoch in (1, 2):
            losses.append(train_steps(model, optimizer, loaders.train))
        return {"losses": torch.cat(losses), **model.state_dict()}, widths

    return train


@pytest.mark.parametrize("num_workers", [1, 3])
def test_batches_captions_and_noise_are_the_same_with_any_number_of_workers(train, num_workers):
    expected, found, other = (train(*options)[0] for options in ((0,), (num_workers,), (0, "seed=1")))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert not torch.equal(other["losses"], expected["losses"])


def test_padding_beyond_the_longest_changes_nothing(train):
    (expected, widths), (found, further) = train(), train(pad_to_max=True)
    assert max(widths) < 30 and further == {30}
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_pooled_padding_has_fixed_lengths_in_training_too(train):
    assert train(0, "arch.args.mask_padding=false", "data_loader.args.max_text_words=13")[1] == {13}


@pytest.mark.parametrize(("device", "pinned"), [("cpu", False), ("cuda", True), ("cuda:1", True)])
def test_memory_is_pinned_only_for_a_gpu(config, device, pinned):
    found = loader_arguments(ConfigParser(config, "test"), torch.device(device))
    assert found["pin_memory"] is pinned


def test_pinned_tensors_are_moved_without_waiting(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.Tensor, "to", lambda x, *args, **options: asked.append((args, options)) or x)
    tensor = torch.ones(2)
    moved = to_device({"ids": ["a"], "text": tensor, "experts": {"rgb": tensor}}, torch.device("cuda:1"))
    assert moved == {"ids": ["a"], "text": tensor, "experts": {"rgb": tensor}}
    assert asked == [((torch.device("cuda:1"),), {"non_blocking": True})] * 2
