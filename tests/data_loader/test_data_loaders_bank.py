"""The batches of a query bank: training videos with all their captions, and none that is evaluated."""

import pytest
import torch

from parse_config import ConfigParser
from trainer.build import build_evaluation_loaders, build_loaders


@pytest.fixture
def make(workplace, config):
    """Return a function that makes the evaluation loaders of the toy archive, with a bank unless it is turned off."""

    def make(*overrides, split="test", querybank="{}"):
        options = [f"querybank={querybank}", *overrides]
        return build_evaluation_loaders(ConfigParser(config, "test", options), split, torch.device("cpu"))

    return make


def content(loader):
    """Return the captions of each video in a loader, by name."""
    return {video: words for batch in loader for video, words in zip(batch["ids"], batch["raw_captions"], strict=True)}


def test_a_bank_has_all_captions_of_all_training_videos_once_and_in_order(make, workplace):
    loaders = make()
    expected = {video: [" ".join(x) for x in workplace.raw[video]] for video in workplace.lists["train_list.txt"]}
    assert content(loaders.bank) == expected and list(content(loaders.bank)) == list(expected)
    assert list(content(loaders.evaluation)) == workplace.lists["test_list.txt"]
    assert loaders.train is None


def test_there_is_no_bank_unless_it_is_asked_for(make):
    assert make(querybank="null").bank is None


def test_a_bank_is_restricted_like_the_training(make, workplace):
    """The evaluated videos are not: captions that no training has seen are left out."""
    (workplace.folder / "some.txt").write_text("video3\nvideo17\n")
    loaders = make("training_file=some.txt", "data_loader.args.restrict_train_captions=1")
    assert {video: len(captions) for video, captions in content(loaders.bank).items()} == {"video3": 1, "video17": 1}
    assert {len(captions) for captions in content(loaders.evaluation).values()} == {2}


def test_a_mini_training_has_a_whole_bank_and_processes_share_it(make, config):
    assert len(content(make("data_loader.args.mini=true").bank)) == 24
    whole = content(make("data_loader.args.batch_size=5").bank)
    parsed = ConfigParser(config, "test", ["data_loader.args.batch_size=5"])
    options = {"split_name": "test", "training": False, "bank": True}
    parts = [content(build_loaders(parsed, torch.device("cpu"), share=(i, 2), **options).bank) for i in range(2)]
    assert parts[0] | parts[1] == whole and not parts[0].keys() & parts[1].keys()
