"""Splits without twins, by the rule and in the committed lists."""

import numpy as np
import pytest
from helpers.paths import ROOT
from PIL import Image, ImageDraw

from misc.stamps import families
from misc.stamps.families import group_twins, split_stamps
from misc.stamps.items import Stamp


def drawing(seed, color="black"):
    """Return a picture of some lines that a seed determines."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (80, 80), "white")
    ImageDraw.Draw(image).line([tuple(x) for x in rng.integers(5, 75, (8, 2)).tolist()], fill=color, width=5)
    return np.asarray(image)


def stamps(captions):
    return {name: Stamp(name, caption, f"{name}.png", ()) for name, caption in captions.items()}


def test_twins_share_their_caption_but_for_articles_capitals_and_punctuation():
    known = stamps({"a": "A cat.", "b": "The CAT!", "c": "Some cats.", "d": "A cat sleeps.", "e": "an"})
    pictures = {name: drawing(i) for i, name in enumerate(known)}
    assert group_twins(known, pictures) == {"a": "a", "b": "a"}


@pytest.mark.parametrize(
    ("change", "is_twin"),
    [
        (lambda x: x, True),
        (lambda x: x[:, ::-1], True),  # mirrored
        (lambda x: np.pad(x, ((30, 0), (5, 60), (0, 0)), constant_values=255), True),  # elsewhere on a larger square
        (lambda x: np.asarray(Image.fromarray(x).resize((160, 160))), True),
        (lambda x: np.where(x < 128, np.uint8([[[200, 30, 30]]]), x), True),  # in another color
        (lambda x: x[::-1], False),
        (lambda x: drawing(99), False),
        (lambda x: np.full_like(x, 255), False),
    ],
)
def test_twins_share_their_picture(change, is_twin):
    known = stamps({"a": "One.", "b": "Two.", "c": "Three."})
    pictures = {"a": drawing(1), "b": change(drawing(1)), "c": drawing(2)}
    assert group_twins(known, pictures) == ({"a": "a", "b": "a"} if is_twin else {})


def test_twins_of_twins_are_in_one_group():
    """One pair has the same caption, another one the same picture, and one stamp is in both."""
    known = stamps({"d": "One.", "c": "Two.", "b": "Two!", "a": "Three.", "e": "Four."})
    pictures = {"a": drawing(1), "b": drawing(1), "c": drawing(2), "d": drawing(3), "e": drawing(4)}
    assert group_twins(known, pictures) == dict.fromkeys("abc", "a")


def test_stamps_with_a_twin_are_for_training_and_the_others_are_drawn_by_their_name(monkeypatch):
    monkeypatch.setattr(families, "SIZES", {"test": 6, "val": 3})
    known = stamps({f"s{i:02d}": f"Number {i % 18}." for i in range(20)})
    pictures = {name: drawing(i) for i, name in enumerate(known)}
    splits = split_stamps(known, group_twins(known, pictures))
    assert {split: len(names) for split, names in splits.items()} == {"train": 11, "test": 6, "val": 3}
    assert sorted(sum(splits.values(), [])) == sorted(known) and all(x == sorted(x) for x in splits.values())
    assert {"s00", "s01", "s18", "s19"} <= set(splits["train"])
    backwards = dict(reversed(known.items()))
    assert split_stamps(backwards, group_twins(backwards, pictures)) == splits
    more = known | stamps({"t": "Another."})  # a new stamp moves at most one of the others out of a split
    moved = split_stamps(more, group_twins(more, pictures | {"t": drawing(77)}))
    assert all(len(set(splits[split]) - set(moved[split])) <= 1 for split in splits)


def test_the_committed_lists_are_disjoint_sorted_and_of_the_documented_sizes():
    lists = {x: (ROOT / f"misc/datasets/stamps2/{x}_list.txt").read_text().splitlines() for x in ("train", "val", "test")}
    assert {split: len(names) for split, names in lists.items()} == {"train": 665} | families.SIZES
    every = sum(lists.values(), [])
    assert len(set(every)) == len(every) == 950 and all(names == sorted(names) for names in lists.values())
    twins = [line.split() for line in (ROOT / "misc/datasets/stamps2/twins.txt").read_text().splitlines()]
    assert len(twins) == 317 and {name for name, _ in twins} <= set(lists["train"])
    assert all(name == name.strip() and "/" not in name and not name.endswith((".txt", ".png")) for name in every)
