"""Reciprocal rank fusion."""

import hypothesis.strategies as st
import numpy as np
import pytest
from helpers.properties import examples
from hypothesis import given

from misc.searching.channels import fusion
from misc.searching.channels.channel import ChannelHit, Evidence
from misc.searching.channels.fusion import fuse, fuse_moments
from misc.searching.windows import MAX_MOMENTS, Moment

A, B, C, D = (0, 10), (10, 20), (20, 30), (30.5, 40)
channels = st.sampled_from(["words", "concepts", "zero_shot", "trained"])
confidences = st.sampled_from([0.0, 0.25, 1.0])
hits = st.lists(st.tuples(st.sampled_from("uvwxyz"), confidences), unique_by=lambda x: x[0])


def weigh(name, confidence, names):
    """Return the weight of a hit of a channel, of which `names` are searched."""
    if "trained" in names:
        return 2 * confidence * confidence if name == "concepts" else confidence
    return {"words": 1, "concepts": 2 * confidence, "zero_shot": confidence}[name]


def as_hits(pairs):
    return [ChannelHit(video, 1.0, [], confidence=confidence) for video, confidence in pairs]


@examples(100)
@given(st.dictionaries(channels, hits, max_size=3))
def test_scores_are_those_of_a_plain_loop(rankings):
    expected = {}
    for video in "uvwxyz":
        for name, pairs in rankings.items():
            for rank, (other, confidence) in enumerate(pairs, 1):
                if other == video:
                    expected[video] = expected.get(video, 0) + weigh(name, confidence, rankings) / (60 + rank)
    fused = fuse({name: as_hits(pairs) for name, pairs in rankings.items()})
    assert dict(fused) == pytest.approx(expected) and len(fused) == len(expected)
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


def as_moments(spans, confidence):
    return [Moment(*span, min(1, 2 * confidence) / (1 + place)) for place, span in enumerate(spans)]


def order(monkeypatch, rankings, **weights):
    """Return the fused order of rankings, channel -> letters."""
    monkeypatch.setattr(fusion, "WEIGHTS", {**dict.fromkeys(rankings, 1.0), **weights})
    return [video for video, _ in fuse({name: as_hits((x, 1.0) for x in ids) for name, ids in rankings.items()})]


def test_one_ranking_keeps_its_order(monkeypatch):
    assert order(monkeypatch, {"words": "cab"}, words=2.0) == list("cab")


def test_ties_are_in_the_order_of_the_best_rank_and_then_of_the_channels(monkeypatch):
    assert order(monkeypatch, {"a": "xy", "b": "z"}) == ["x", "z", "y"]
    assert order(monkeypatch, {"b": "z", "a": "xy"}) == ["z", "x", "y"]
    # Equal scores of rank 1 in one channel and of rank 2 in another one that weighs more.
    assert order(monkeypatch, {"a": "pq", "b": "r"}, a=62.0, b=61.0) == ["p", "r", "q"]


def test_a_video_of_two_channels_is_before_the_best_of_one(monkeypatch):
    assert order(monkeypatch, {"a": "xy", "b": "zy"}) == ["y", "x", "z"]


def test_beside_a_model_only_hits_that_fit_move_videos():
    trained = as_hits((x, 1.0) for x in "abc")
    for confidence, first in ((0.001, "a"), (1.0, "c")):
        assert fuse({"words": as_hits([("c", confidence)]), "trained": trained})[0][0] == first


@pytest.mark.parametrize(("is_misspelled", "first"), [((True,), "seen"), ((True, False), "read"), ((False,), "read")])
def test_only_words_with_typos_are_after_what_is_seen(is_misspelled, first):
    evidence = [Evidence("speech", "swimming", [i], similar=x, misspelled=x) for i, x in enumerate(is_misspelled)]
    read = ChannelHit("read", 1.0, evidence, [Moment(*A)])
    seen = ChannelHit("seen", 1.0, [Evidence("rgb", "swing", probability=0.3)], [Moment(*B, 0.3)], confidence=0.3)
    fused = dict(fuse({"words": [read], "concepts": [seen]}))
    weight = 1.0 if first == "read" else 0.25
    assert fused == pytest.approx({"read": weight / 61, "seen": 0.6 / 61}) and max(fused, key=fused.get) == first
    (best, _) = fuse_moments({"words": (1, read), "concepts": (1, seen)}, beside_model=False)
    assert (best.start, best.end) == (A if first == "read" else B)


@given(
    st.dictionaries(channels, st.tuples(st.lists(st.sampled_from([A, B, C, D]), unique=True), confidences)),
    st.integers(1, 50),
)
def test_fused_moments_are_those_of_a_plain_loop(by_channel, rank):
    ranks = {name: rank + i for i, name in enumerate(by_channel)}
    scores = {}
    for name, (spans, confidence) in by_channel.items():
        for place, span in enumerate(spans):
            weight = weigh(name, min(1, 2 * confidence) / (1 + place) if name == "concepts" else confidence, by_channel)
            scores[span] = scores.get(span, 0) + weight / (60 + ranks[name] + place)
    found = fuse_moments(
        {
            name: (ranks[name], ChannelHit("v", 1.0, [], as_moments(spans, confidence), confidence))
            for name, (spans, confidence) in by_channel.items()
        },
        "trained" in by_channel,
    )
    expected = sorted(scores, key=lambda span: (-scores[span], span))[:MAX_MOMENTS]
    assert [(x.start, x.end) for x in found] == expected
    np.testing.assert_allclose([x.score for x in found], [scores[span] for span in expected])
