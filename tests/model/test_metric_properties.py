"""Ranks and metrics against plain loops, with ties and masks, in blocks of any size; NaN and inf are refused."""

import re
from itertools import permutations

import numpy as np
import pytest
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from model import metric as metric_module
from model.metric import NotFiniteError, t2v_metrics, t2v_ranks, v2t_metrics, v2t_ranks
from utils.files import temporary_array


@st.composite
def similarities(draw, max_videos=9, max_captions=4):
    """Draw similarities (V*K, V), many or few of them tied, and masks (V, K) of captions that exist."""
    num_videos, num_captions = draw(st.integers(1, max_videos)), draw(st.integers(1, max_captions))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sims = rng.normal(size=(num_videos * num_captions, num_videos)).round(draw(st.sampled_from([0, 1, 6])))
    masks = rng.random((num_videos, num_captions)) < draw(st.sampled_from([0.3, 0.7, 1]))
    masks[np.arange(num_videos), rng.integers(num_captions, size=num_videos)] = True
    return sims.astype(draw(st.sampled_from(["f4", "f8"]))), masks


def ranks_by_loop(sims, masks, direction, ties="expected"):
    """Return 0-based ranks by one comparison at a time."""
    num_videos = sims.shape[1]
    num_captions = len(sims) // num_videos
    ranks = []
    if direction == "t2v":
        for row in range(len(sims)):
            video, caption = divmod(row, num_captions)
            if masks[video][caption]:
                higher = sum(score > sims[row][video] for score in sims[row])
                tied = sum(score == sims[row][video] for score in sims[row])
                ranks.append(higher + (tied - 1) / 2)
        return ranks
    candidates = [row for row in range(len(sims)) if masks[row // num_captions][row % num_captions]]
    for video in range(num_videos):
        best = max(sims[row][video] for row in candidates if row // num_captions == video)
        higher = sum(sims[row][video] > best for row in candidates)
        tied = [row // num_captions == video for row in candidates if sims[row][video] == best]  # true: an own caption
        if ties == "published":
            ranks.append(higher + (len(tied) - 1) / 2)
        else:
            ranks.append(higher + tied.count(False) / (tied.count(True) + 1))
    return ranks


def summary_by_loop(ranks):
    share = {f"R{k}": 100 * sum(r < k if k > 1 else r == 0 for r in ranks) / len(ranks) for k in (1, 5, 10, 50)}
    middle = sorted(ranks)[(len(ranks) - 1) // 2 : len(ranks) // 2 + 1]
    return {
        **share,
        "MedR": sum(middle) / len(middle) + 1,
        "MeanR": sum(ranks) / len(ranks) + 1,
        "geometric_mean_R1-R5-R10": (share["R1"] * share["R5"] * share["R10"]) ** (1 / 3),
    }


@given(case=similarities(), masks_given=st.booleans(), block_bytes=st.integers(1, 500), in_file=st.booleans())
@examples(150)
def test_ranks_and_metrics_are_those_of_a_double_loop(case, masks_given, block_bytes, in_file):
    sims, masks = case
    if not masks_given:
        masks = np.ones_like(masks)
    matrix, before = sims, sims.copy()
    if in_file:
        matrix = temporary_array(sims.shape)
        matrix[:] = sims
        before = matrix.copy()  # float32
    query_masks = masks.astype(float) if masks_given else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metric_module, "BLOCK_BYTES", block_bytes)
        expected = ranks_by_loop(before, masks, "t2v")
        assert t2v_ranks(matrix, query_masks).tolist() == expected
        assert t2v_metrics(matrix, query_masks) == pytest.approx(summary_by_loop(expected))
        for ties in ("expected", "published"):
            expected = ranks_by_loop(before, masks, "v2t", ties)
            assert v2t_ranks(matrix, query_masks, ties).tolist() == pytest.approx(expected)
            assert v2t_metrics(matrix, query_masks, ties) == pytest.approx(summary_by_loop(expected))
    assert np.array_equal(matrix, before)


def expected_place(scores, own):
    """Return the mean place of the first own candidate over all orders that a sort by score could give."""
    places = [
        next(place for place, candidate in enumerate(order) if candidate in own)
        for order in permutations(range(len(scores)))
        if all(scores[a] >= scores[b] for a, b in zip(order, order[1:], strict=False))
    ]
    return np.mean(places)


@given(case=similarities(max_videos=3, max_captions=2))
@examples(50)
def test_a_rank_is_the_expected_place_among_ties_in_random_order(case):
    sims, masks = case
    num_captions = masks.shape[1]
    candidates = np.flatnonzero(masks)
    t2v = [expected_place(sims[row], {row // num_captions}) for row in candidates]
    assert t2v_ranks(sims, masks).tolist() == pytest.approx(t2v)
    own = [{i for i, row in enumerate(candidates) if row // num_captions == video} for video in range(len(masks))]
    v2t = [expected_place(sims[candidates, video], own[video]) for video in range(len(masks))]
    assert v2t_ranks(sims, masks).tolist() == pytest.approx(v2t)


@given(
    case=similarities(),
    values=st.lists(st.sampled_from([np.nan, np.inf, -np.inf]), min_size=1, max_size=3),
    block_bytes=st.integers(1, 500),
    data=st.data(),
)
@examples(60)
def test_nan_and_inf_are_refused_with_the_first_row_that_has_one(case, values, block_bytes, data):
    sims, masks = case
    places = [data.draw(st.integers(0, sims.size - 1)) for _ in values]
    for place, value in zip(places, values, strict=True):
        sims.flat[place] = value
    first = min(places) // sims.shape[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metric_module, "BLOCK_BYTES", block_bytes)
        for metric in (t2v_metrics, v2t_metrics):
            with pytest.raises(NotFiniteError, match=f"{re.escape('NaN or inf, first in row')} {first}$") as refused:
                metric(sims, masks)
            assert refused.value.row == first
