"""Batches by the keys of the corrected release, read from an archive in its folder."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from data_loader.data_loaders import ExpertDataLoader
from data_loader.experts import resolve_experts
from utils.errors import InputError

ROOT = "high-quality/structured-symlinks"


@pytest.fixture
def make(workplace, config):
    """Return a function that makes the loaders of the toy archive in the folder of the corrected release."""
    folder = Path("data/Toy", ROOT)
    folder.parent.mkdir(parents=True)
    workplace.folder.rename(folder)
    workplace.folder = folder

    def make(**changed):
        section = config["experts"]
        arguments = {
            **config["data_loader"]["args"],
            "experts": resolve_experts(section),
            "text_feat": section["text_feat"],
            "text_dim": section["text_dim"],
            "root_feat_folder": ROOT,
        }
        return ExpertDataLoader(**{**arguments, **changed})

    return make


def ids_of(loaders, epoch=1):
    loaders.sampler.epoch = epoch
    return [batch["ids"] for batch in loaders.train]


@pytest.mark.parametrize(
    ("batch_size", "options", "sizes"),
    [
        (9, {}, [9, 9, 6]),
        (9, {"drop_last": True}, [9, 9]),
        (8, {}, [8, 8, 8]),
        (23, {}, [23]),  # one video has no negatives
        (22, {}, [22, 2]),
        (22, {"share": (0, 2)}, [11, 1]),
        (22, {"share": (0, 3)}, [8]),  # fewer videos than processes
        (40, {}, [24]),
    ],
)
def test_a_last_short_batch_is_kept_unless_it_is_dropped(make, workplace, batch_size, options, sizes):
    loaders = make(batch_size=batch_size, **options)
    batches = ids_of(loaders)
    assert [len(batch) for batch in batches] == sizes and len(loaders.train) == len(sizes)
    assert len({video for batch in batches for video in batch}) == sum(sizes)
    if options == {} and sum(sizes) == 24:
        assert {video for batch in batches for video in batch} == set(workplace.lists["train_list.txt"])


def test_an_archive_of_2019_drops_the_last_short_batch(make, workplace):
    Path("data/Toy/symlinked-feats").symlink_to(workplace.folder.resolve())
    assert [len(batch) for batch in ids_of(make(batch_size=9, root_feat_folder=None))] == [9, 9]
    assert [len(batch) for batch in ids_of(make(batch_size=9, root_feat_folder=None, drop_last=False))] == [9, 9, 6]
    with pytest.raises(InputError, match="24 videos to train on, fewer than"):
        make(batch_size=40, root_feat_folder=None)


def test_another_list_replaces_the_videos_to_train_on(make, workplace):
    chosen = workplace.lists["train_list.txt"][3:15]
    (workplace.folder / "masks").mkdir()
    (workplace.folder / "masks/less.txt").write_text("\n".join(chosen))
    loaders = make(training_file="masks/less.txt", batch_size=5)
    assert {video for batch in ids_of(loaders) for video in batch} == set(chosen)
    assert [video for batch in loaders.evaluation for video in batch["ids"]] == workplace.lists["val_list.txt"]
    with pytest.raises(InputError, match=r"masks/more.txt: not found, expected a list of video names"):
        make(training_file="masks/more.txt")


def test_captions_are_drawn_among_those_that_a_file_allows(make, workplace):
    train_ids = workplace.lists["train_list.txt"]
    masks = {video: [0, 1] for video in train_ids}
    path = workplace.folder / "masks.pkl"
    path.write_bytes(pickle.dumps(masks))
    loaders = make(caption_masks="masks.pkl")
    for epoch in range(4):
        loaders.sampler.epoch = epoch
        for batch in loaders.train:
            assert batch["caption_positions"] == [[1]] * 8
    assert {batch["text"].shape[1] for batch in loaders.evaluation} == {2}
    path.write_bytes(pickle.dumps({**masks, train_ids[5]: [0, 0]}))
    with pytest.raises(InputError, match=f"^caption_masks: '{train_ids[5]}' has no 1, expected a training_file without"):
        make(caption_masks="masks.pkl")
    (workplace.folder / "less.txt").write_text("\n".join(video for video in train_ids if video != train_ids[5]))
    assert len(ids_of(make(caption_masks="masks.pkl", training_file="less.txt"))) == 3
    path.write_bytes(pickle.dumps({train_ids[0]: [1, 1]}))
    with pytest.raises(InputError, match=f"masks.pkl: has no '{train_ids[1]}', expected a dict with every video"):
        make(caption_masks="masks.pkl")
    make(caption_masks="masks.pkl", training=False)  # only for training


def test_words_are_lost_in_training_and_the_same_after_an_interruption(make, workplace):
    whole, resumed = make(text_dropout=1.0, max_tokens={"text": 30}), make(text_dropout=1.0)
    for epoch in (1, 2):
        whole.sampler.epoch = resumed.sampler.epoch = epoch
        batches = list(whole.train)
        resumed.sampler.first = 1
        for found, expected in zip(resumed.train, batches[1:], strict=True):
            assert found["ids"] == expected["ids"] and found["text"].equal(expected["text"])
        lengths = [
            (int(mask.sum()), len(workplace.text[video][position]))
            for batch in batches
            for video, [position], mask in zip(batch["ids"], batch["caption_positions"], batch["word_mask"], strict=True)
        ]
        assert all(0 < found <= words for found, words in lengths) and any(found < words for found, words in lengths)
    for batch in whole.evaluation:
        for video, masks in zip(batch["ids"], batch["word_mask"], strict=True):
            assert masks.sum(dim=1).tolist() == [len(x) for x in workplace.text[video]]


def test_teachers_are_read_up_to_the_last_caption_with_words(make, workplace):
    """A caption without words between two others is not trained on, but keeps its place in the files of teachers."""
    text, raw = dict(workplace.text), dict(workplace.raw)
    text["video0"] = [text["video0"][0], np.zeros((0, 10), np.float16), text["video0"][1]]
    raw["video0"] = [raw["video0"][0], [], raw["video0"][1]]
    workplace.dump("text-toy.pickle", text)
    workplace.dump("raw-captions.pkl", raw)
    content = {}
    for n, video in enumerate(workplace.ids[:24]):
        captions = 10.0 * n + np.arange(len(text[video]))  # the number of the video, and that of the caption
        content[video] = {"vid_embds": {"rgb": np.array([1.0])}, "text_embds": {"rgb": captions[:, None]}}
    workplace.dump("teacher.pkl", content)
    loaders = make(training=True, teachers=["teacher.pkl"])
    dataset = loaders.train.dataset
    assert dataset.caption_positions(0) == [0, 2]
    ids, positions = ["video0", "video1", "video23"], [[2], [0], [1]]
    found = loaders.teachers.similarities({"ids": ids, "caption_positions": positions})
    assert found.tolist() == [[2.0] * 3, [10.0] * 3, [231.0] * 3]
