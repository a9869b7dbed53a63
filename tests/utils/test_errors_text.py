"""Counts and names in messages."""

from collections import Counter

from utils.errors import count_text, first_names, tally_text


def test_counts_are_sorted_and_the_first_names_are_shown():
    assert tally_text(Counter()) == ""
    assert tally_text(Counter({".txt": 3, ".srt": 1, ".jpg": 1})) == "3 .txt, 1 .jpg, 1 .srt"
    assert first_names(["a", "b\x1b[2J", "c"]) == r"'a', 'b\x1b[2J', 'c'"
    assert first_names(["a"] * 5, 2) == "'a', 'a' and 3 more"


def test_one_is_singular():
    assert [count_text(n, "video") for n in (0, 1, 2)] == ["0 videos", "1 video", "2 videos"]
