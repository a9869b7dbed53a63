"""Reciprocal rank fusion."""

import hypothesis.strategies as st
import pytest
from helpers.properties import examples
from hypothesis import given

from misc.searching.channels.fusion import fuse

rankings = st.dictionaries(st.sampled_from("abc"), st.lists(st.sampled_from("uvwxyz"), unique=True), max_size=3)
weights = st.fixed_dictionaries(dict.fromkeys("abc", st.sampled_from([0.25, 0.5, 1.0, 2.0])))


@examples(100)
@given(rankings, weights)
def test_scores_are_those_of_a_plain_loop(rankings, weights):
    expected = {}
    for video in "uvwxyz":
        for name in rankings:
            if video in rankings[name]:
                rank = rankings[name].index(video) + 1
                expected[video] = expected.get(video, 0) + weights[name] / (60 + rank)
    fused = fuse(rankings, weights)
    assert dict(fused) == pytest.approx(expected) and len(fused) == len(expected)
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


def test_one_ranking_keeps_its_order():
    assert [video for video, _ in fuse({"words": ["c", "a", "b"]}, {"words": 2.0})] == ["c", "a", "b"]


def test_ties_are_in_the_order_of_the_best_rank_and_then_of_the_channels():
    assert [video for video, _ in fuse({"a": ["x", "y"], "b": ["z"]}, {"a": 1, "b": 1})] == ["x", "z", "y"]
    assert [video for video, _ in fuse({"b": ["z"], "a": ["x", "y"]}, {"a": 1, "b": 1})] == ["z", "x", "y"]
    # Equal scores of rank 1 in one channel and of rank 2 in another one that weighs more.
    fused = fuse({"a": ["p", "q"], "b": ["r"]}, {"a": 62.0, "b": 61.0})
    assert [video for video, _ in fused] == ["p", "r", "q"] and fused[1][1] == fused[2][1] == 1


def test_a_video_of_two_channels_is_before_the_best_of_one():
    assert [video for video, _ in fuse({"a": ["x", "y"], "b": ["z", "y"]}, {"a": 1, "b": 1})] == ["y", "x", "z"]
