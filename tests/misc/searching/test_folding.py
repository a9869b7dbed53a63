"""Folding of near-duplicates, against a plain loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from misc.searching.folding import MIN_COSINE, NearDuplicates
from misc.searching.result import Hit, SearchResult, format_hits

ANGLE = np.arccos(MIN_COSINE)


class Collection:
    """Videos whose frames are unit vectors at some angles, in units of the one whose cosine is `MIN_COSINE`."""

    def __init__(self, angles, experts=("rgb",), words=None):
        self._angles, self.experts, self.loaded = angles, dict.fromkeys(experts), []
        self._words = words or {}

    def get_words(self, video):
        return {"speech": self._words.get(video, "").split()}

    def __contains__(self, video):
        return video in self._angles

    def load_video(self, name, video):
        self.loaded.append(video)
        angles = self._angles[video]
        if angles is None:
            return None
        radians = ANGLE * np.array(angles)
        return 3 * np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float16)


def make_search(ids):
    def search(k):
        asked.append(k)
        hits = [Hit(rank, video, 1 / rank, None, [], [], {}, None) for rank, video in enumerate(ids[:k], 1)]
        return SearchResult("x", None, hits)

    asked = search.asked = []
    return search


TALK = "the dogs run over the green hills today"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (TALK, TALK, True),
        (TALK, "The dog, run over the Green Hills yesterday", True),  # as a copy may be heard
        (TALK, "the cats sleep under the wooden tables of the kitchen", False),
        (TALK, "", True),  # a copy without sound
        (TALK, "the cats sleep", True),  # too few words
    ],
)
def test_videos_with_other_words_are_no_near_duplicates(one, other, expected):
    duplicates = NearDuplicates(Collection({"a": [0], "b": [0]}, words={"a": one, "b": other}))
    assert duplicates.are_near_duplicates("a", "b") == duplicates.are_near_duplicates("b", "a") == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([0], [0.9], True),
        ([0], [1.1], False),
        ([0, 5], [5, 0.9], True),  # the order does not matter
        ([0, 5], [0], False),  # the other one lacks a frame
        ([0], [0, 5], False),
        ([0, 0.5], [0.2], True),
        ([0, 1.2], [0], True),  # on average
        ([0, 1.5], [0], False),
        (None, [0], False),
        (None, None, False),
    ],
)
def test_near_duplicates_have_similar_frames(one, other, expected):
    duplicates = NearDuplicates(Collection({"a": one, "b": other}))
    assert duplicates.are_near_duplicates("a", "b") == duplicates.are_near_duplicates("b", "a") == expected


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 8))
def test_there_are_k_videos_if_so_many_differ(groups, k):
    ids = [f"v{i}" for i in range(len(groups))]
    collection = Collection({video: [3 * group] for video, group in zip(ids, groups, strict=True)})
    result = NearDuplicates(collection).fold(make_search(ids), k, len(ids))
    first = {}  # group -> its videos
    for video, group in zip(ids, groups, strict=True):
        first.setdefault(group, []).append(video)
    heads = list(first.values())[:k]
    assert [hit.id for hit in result.hits] == [videos[0] for videos in heads]
    assert [hit.rank for hit in result.hits] == list(range(1, len(heads) + 1))
    for hit, videos in zip(result.hits, heads, strict=True):
        assert hit.folded == videos[1 : len(hit.folded) + 1]  # as many as were looked at


def test_a_search_is_not_repeated_without_need():
    ids = list("abcdefgh")
    search = make_search(ids)
    different = Collection({video: [3 * i] for i, video in enumerate(ids)})
    assert len(NearDuplicates(different).fold(search, 4, 8).hits) == 4 and search.asked == [4]
    search = make_search(ids)
    same = Collection({video: [0] for video in ids})
    (hit,) = NearDuplicates(same).fold(search, 3, 8).hits
    assert hit.folded == list("bcdefgh") and search.asked == [3, 6, 8] and len(same.loaded) == 8


def test_without_the_expert_nothing_is_folded():
    collection = Collection({"a": [0], "b": [0]}, experts=("audio",))
    search = make_search(["a", "b", "gone"])
    assert NearDuplicates(collection).fold(search, 3, 3) == search(3)
    assert len(NearDuplicates(Collection({"a": [0], "b": [9]})).fold(search, 3, 3).hits) == 3  # one is not in the collection


def test_folded_videos_are_listed():
    hit = Hit(1, "a", 0.5, None, [], [], {}, None, folded=["b", "c\x1b"])
    line = format_hits(SearchResult("x", None, [hit]), [])[-1].strip()
    assert line.startswith("and 2 more like it: b, c") and "\x1b" not in line
