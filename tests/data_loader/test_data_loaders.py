"""Training and evaluation batches as a trainer sees them."""

import inspect
import logging

import numpy as np
import pytest
import torch

from base.schema import DataLoaderArgs
from data_loader import data_loaders
from data_loader.data_loaders import ExpertDataLoader
from utils.errors import InputError


def epoch_of(loaders, epoch):
    loaders.sampler.epoch = epoch
    return list(loaders.train)


def assert_equal(found, expected):
    """Assert that two batches, or parts of them, are the same."""
    assert type(found) is type(expected)
    if isinstance(found, torch.Tensor):
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    elif isinstance(found, dict):
        assert list(found) == list(expected)
        for key in found:
            assert_equal(found[key], expected[key])
    else:
        assert found == expected


def test_every_argument_of_a_config_is_taken_with_the_same_default():
    parameters = inspect.signature(ExpertDataLoader).parameters
    fields = dict(DataLoaderArgs.model_fields)
    for name in ("feat_aggregation", "trn_cat"):  # the first changes the experts, the second is always off
        assert name not in parameters and fields.pop(name)
    for name, field in fields.items():
        default = parameters[name].default
        if field.is_required():
            assert default is inspect.Parameter.empty, name
        else:
            assert (default or None) == (field.default or None), name


@pytest.mark.parametrize("num_workers", [1, 3])
def test_batches_depend_only_on_seed_and_epoch(make, workplace, num_workers):
    ours, workers, other_seed = make(), make(num_workers=num_workers), make(seed=1)
    assert workers.train.num_workers == workers.evaluation.num_workers == num_workers
    first, second = epoch_of(ours, 1), epoch_of(ours, 2)
    assert len(first) == len(workplace.lists["train_list.txt"]) // 8 == 3
    with_workers = (epoch_of(workers, 2), epoch_of(workers, 1))  # in the other order, as after resuming
    evaluations = (list(workers.evaluation), list(ours.evaluation))
    for found, expected in ((epoch_of(ours, 1), first), (with_workers[0], second), (with_workers[1], first), evaluations):
        for one, two in zip(found, expected, strict=True):
            assert_equal(one, two)
    orders = [[batch["ids"] for batch in epoch] for epoch in (first, second, epoch_of(other_seed, 1))]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    for epoch in (first, second):
        ids = [name for batch in epoch for name in batch["ids"]]
        assert len(set(ids)) == len(ids)
        assert set(ids) <= set(workplace.lists["train_list.txt"])
        assert all(batch["text"].shape[:2] == (8, 1) for batch in epoch)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_resumed_loader_uses_the_random_state_as_an_uninterrupted_one(make, num_workers):
    """The model's noise comes from the same generator: resuming exactly needs the same draws from it in each epoch."""
    ours = make(num_workers=num_workers)
    epoch_of(ours, 1)
    saved = torch.get_rng_state()
    epoch_of(ours, 2)
    uninterrupted = torch.get_rng_state()
    resumed = make(num_workers=num_workers)
    torch.set_rng_state(saved)
    epoch_of(resumed, 2)
    assert torch.equal(torch.get_rng_state(), uninterrupted)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_evaluation_holds_each_video_once_in_order_with_all_captions(make, workplace, batch_size):
    workplace.text["video30"] = workplace.text["video30"][:1]
    workplace.dump("text-toy.pickle", workplace.text)
    workplace.dump("raw-captions.pkl", {})
    loaders = make(batch_size=batch_size, training=False)
    assert loaders.train is None
    batches = list(loaders.evaluation)
    expected = workplace.lists["val_list.txt"]
    assert "video30" in expected
    assert [name for batch in batches for name in batch["ids"]] == expected
    for batch in batches:
        for b, name in enumerate(batch["ids"]):
            valid = [int(mask.sum()) for mask in batch["word_mask"][b]]
            assert valid == [*map(len, workplace.text[name]), 0][:2]  # a caption that it does not have is all masked
            assert not batch["text"][b][~batch["word_mask"][b]].any()


def test_captions_are_restricted_separately_for_training_and_evaluation(make, workplace):
    loaders = make(restrict_train_captions=1)
    first = {name: " ".join(words[0]) for name, words in workplace.raw.items()}
    for epoch in range(5):
        for batch in epoch_of(loaders, epoch):
            assert batch["raw_captions"] == [[first[name]] for name in batch["ids"]]
    assert {batch["text"].shape[1] for batch in loaders.evaluation} == {2}
    loaders = make(num_test_captions=1)
    assert {batch["text"].shape[1] for batch in loaders.evaluation} == {1}
    drawn = {(name, *texts) for epoch in range(20) for batch in epoch_of(loaders, epoch) for name, texts in _captions(batch)}
    assert drawn == {(name, " ".join(x)) for name in workplace.lists["train_list.txt"] for x in workplace.raw[name]}


def _captions(batch):
    return zip(batch["ids"], batch["raw_captions"], strict=True)


def test_switches_of_the_config_reach_the_batches(make, workplace):
    (batch,) = make(batch_size=16, fuse_captions=True, max_text_words=5, training=False).evaluation
    assert batch["text"].shape[:2] == (10, 1)
    expected = [min(5, sum(map(len, workplace.text[name]))) for name in batch["ids"]]
    np.testing.assert_array_equal(batch["word_mask"].sum(dim=(1, 2)), expected)
    loaders = make(mini=True, batch_size=4, pad_to_max=True, max_text_words=9, max_expert_tokens=7)
    assert (len(loaders.train), len(loaders.evaluation)) == (2, 1)  # a few batches
    for batch in (*loaders.train, *loaders.evaluation):
        assert batch["text"].shape[2] == 9
        assert batch["experts"]["audio"].shape[1] == batch["frame_masks"]["audio"].shape[1] == 7


def test_experts_of_few_training_videos_are_told(make, workplace, caplog):
    chosen = workplace.lists["train_list.txt"]
    audio = workplace.features["audio"]
    kept = {video: features for video, features in audio.items() if video not in chosen}
    workplace.dump("audio.pickle", kept | dict.fromkeys(chosen[:19], next(iter(audio.values()))))
    make()
    (line,) = [record.getMessage() for record in caplog.records if "hardly trained" in record.getMessage()]
    rare, _, rest = line.partition(", whose weights ")
    assert (
        rare.startswith("Toy: fewer than 20 training videos have audio (19)") and '"rgb"' in rest and '"audio"' not in rest
    )


def test_the_numbers_of_videos_captions_and_experts_are_logged(make, workplace, caplog):
    caplog.set_level(logging.INFO)
    make()
    for split, ids in (("train", workplace.lists["train_list.txt"]), ("val", workplace.lists["val_list.txt"])):
        audio = sum(name in workplace.features["audio"] for name in ids)
        expected = (
            f"Toy, {split}: {len(ids)} videos, {2 * len(ids)} captions; experts: audio {audio} ({audio / len(ids):.1%})"
        )
        assert expected in caplog.text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 25}, r"Toy/symlinked-feats: 24 videos to train on, fewer than .*batch_size 25"),
        ({"batch_size": 1}, r"data_loader.args.batch_size: 1, expected at least 2"),
        ({"split_name": "dev"}, r"data_loader.args.split_name: 'dev'"),
        ({"text_feat": "w2v"}, "text-w2v: not found"),
        ({"text_dim": 11}, "text-toy.pickle"),
    ],
)
def test_data_that_do_not_fit_the_config_are_refused(make, changed, message):
    with pytest.raises(InputError, match=message) as caught:
        make(**changed)
    assert "\n" not in str(caught.value)
    assert len(make(batch_size=24).train) == 1  # all of them are enough
    if "batch_size" in changed:  # this limit is only for training
        make(training=False, **changed)


def test_evaluation_batches_are_small_where_their_words_are_many(make, monkeypatch):
    """Ten videos have two captions of up to 30 words of 10 numbers of 4 bytes, of which there are three copies."""
    a_video = 3 * 2 * 30 * 10 * 4
    whole = list(make().evaluation)
    assert [len(batch["ids"]) for batch in whole] == [8, 2]
    monkeypatch.setattr(data_loaders, "MIB", 1)
    for memory, sizes in ((1, [1] * 10), (3 * a_video + 1, [3, 3, 3, 1]), (8 * a_video, [8, 2]), (99 * a_video, [8, 2])):
        batches = list(make(evaluation_memory=memory).evaluation)
        assert [len(batch["ids"]) for batch in batches] == sizes
        assert [video for batch in batches for video in batch["ids"]] == [video for batch in whole for video in batch["ids"]]


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_share_the_batches_of_one(make, processes):
    whole = make(batch_size=7)
    shares = [make(batch_size=7, share=(i, processes)) for i in range(processes)]
    for epoch in (1, 2):
        parts = [epoch_of(loaders, epoch) for loaders in shares]
        batches = epoch_of(whole, epoch)
        assert len(batches) == 3 and {len(part) for part in parts} == {3}
        for batch, *of_each in zip(batches, *parts, strict=True):
            assert max(len(part["ids"]) for part in of_each) - min(len(part["ids"]) for part in of_each) <= 1
            for key in ("ids", "raw_captions"):  # the captions that were drawn, too
                assert [x for part in of_each for x in part[key]] == batch[key]
    whole = make(batch_size=2)
    shares = [make(batch_size=2, share=(i, processes)) for i in range(processes)]
    in_turn = [None] * len(whole.evaluation)
    for i, loaders in enumerate(shares):
        in_turn[i::processes] = list(loaders.evaluation)
    for found, expected in zip(in_turn, whole.evaluation, strict=True):
        assert_equal(found, expected)
