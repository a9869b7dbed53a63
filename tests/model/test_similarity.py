"""A score depends only on its text and its video."""

import pytest
import torch
from helpers.model_variants import SWITCHES, make_batch, make_model, similarities
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from model.similarity import TextEmbedding, VideoEmbedding, find_nonfinite_source, pairwise_similarity

VARIANTS = pytest.mark.parametrize("variant", SWITCHES)
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def selected(batch, videos, captions):
    """Return a batch of other videos in another order, with the captions of the videos `captions`."""
    return {
        "text": batch["text"][captions],
        "word_mask": batch["word_mask"][captions],
        **{part: {name: x[videos] for name, x in batch[part].items()} for part in ("experts", "ind", "frame_masks")},
    }


def padded(batch, words, frames):
    """Return the batch with more padding."""

    def longer(x, dim, n):
        return torch.cat([x, x.new_zeros(*x.shape[:dim], n, *x.shape[dim + 1 :])], dim=dim)

    experts = {name: longer(x, 1, frames) if x.ndim == 3 else x for name, x in batch["experts"].items()}
    return batch | {
        "text": longer(batch["text"], 2, words),
        "word_mask": longer(batch["word_mask"], 2, words),
        "experts": experts,
        "frame_masks": {name: longer(x, 1, frames) for name, x in batch["frame_masks"].items()},
    }


@VARIANTS
@given(seed=st.integers(0, 2**32 - 1), num_videos=st.integers(2, 6), num_captions=st.integers(1, 3), more=st.integers(0, 4))
@settings(deadline=None, max_examples=25)
def test_a_score_depends_only_on_its_text_and_its_video(variant, seed, num_videos, num_captions, more):
    model = make_model(variant)
    batch = make_batch(seed, num_videos, num_captions)
    sims = similarities(model, batch).view(num_videos, num_captions, num_videos)
    generator = torch.Generator().manual_seed(seed)
    videos, captions = torch.randperm(num_videos, generator=generator), torch.randperm(num_videos, generator=generator)
    keep = int(torch.randint(1, num_videos + 1, (), generator=generator))
    videos, captions = videos[:keep], captions[:keep]  # other pairs, and fewer of them
    found = similarities(model, padded(selected(batch, videos, captions), more, more)).view(keep, num_captions, keep)
    torch.testing.assert_close(found, sims[captions][:, :, videos], **CLOSE)


@pytest.mark.parametrize("variant", [v for v in SWITCHES if v not in ("one-expert",)])
def test_the_paired_similarity_of_2019_depends_on_the_pairing(variant):
    """The leak: giving a caption to another video changes its scores with third ones."""
    model, batch = make_model(variant, similarity="paired-2019"), make_batch(3, 6, 1)
    swap = torch.tensor([1, 2, 3, 4, 5, 0])
    straight = similarities(model, batch)
    swapped = similarities(model, selected(batch, torch.arange(6), swap))
    assert straight.isfinite().all()
    assert not torch.allclose(straight[swap], swapped, **CLOSE)


@VARIANTS
@pytest.mark.parametrize("similarity", ["pairwise", "paired-2019"])
def test_a_video_without_an_expert_scores_zero(variant, similarity):
    batch = make_batch(1, 4, 2)
    for name in batch["experts"]:
        batch["experts"][name][2] = torch.nan
        batch["ind"][name][2] = 0
        if name in batch["frame_masks"]:
            batch["frame_masks"][name][2] = False
    model = make_model(variant, similarity=similarity)
    sims = model(**batch)["cross_view_conf_matrix"]
    assert sims.isfinite().all()
    if similarity == "pairwise":
        assert (sims[:, 2] == 0).all()
    sims.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def embeddings(num_texts, num_videos, num_experts, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    text = TextEmbedding([rand(num_texts, 2 + i) for i in range(num_experts)], rand(num_texts, num_experts).softmax(dim=1))
    available = (torch.rand(num_videos, num_experts, generator=generator) < 0.5).double()
    return text, VideoEmbedding([rand(num_videos, 2 + i) for i in range(num_experts)], available)


@pytest.mark.parametrize("l2renorm", [False, True])
def test_equals_the_triple_loop(l2renorm):
    text, video = embeddings(7, 40, 3)  # 40 videos: some have no expert
    sims = pairwise_similarity(text, video, l2renorm)
    for t in range(7):
        for v in range(40):
            present = [i for i in range(3) if video.available[v, i]]
            pairs = [(text.weights[t, i] * text.experts[i][t], video.experts[i][v]) for i in present]
            score = sum((a @ b for a, b in pairs), torch.tensor(0.0).double())
            if l2renorm and pairs:
                score = score / torch.cat([a for a, _ in pairs]).norm() / torch.cat([b for _, b in pairs]).norm()
            elif pairs:
                score = score / sum(text.weights[t, i] for i in present)
            torch.testing.assert_close(sims[t, v], score)


class LargestTensor(TorchDispatchMode):
    """A mode that records the number of elements of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        sizes = [x.numel() for x in tree_leaves(result) if isinstance(x, torch.Tensor)]
        self.elements = max([self.elements, *sizes])
        return result


@pytest.mark.parametrize("l2renorm", [False, True])
def test_nothing_of_texts_x_videos_x_experts_is_built(l2renorm):
    text, video = embeddings(50, 40, 6)
    with LargestTensor() as largest:
        pairwise_similarity(text, video, l2renorm)
    assert largest.elements == 50 * 40


def test_a_source_of_nan_is_named_also_where_experts_are_joined():
    text, video = embeddings(2, 3, 1)
    video.experts[0][1, 0] = torch.nan
    joined = VideoEmbedding(video.experts, torch.ones(3, 1))
    assert find_nonfinite_source(["audio", "rgb"], text, joined, ["x", "y", "z"]) == "expert 'audio, rgb' of 'y'"


def test_the_sources_of_nan_are_the_text_and_the_first_video_that_has_the_expert():
    text, video = embeddings(2, 4, 2)
    available = torch.tensor([[1.0, 0], [1, 1], [0, 1], [1, 1]])
    for v in (1, 3):
        video.experts[0][v, 1] = torch.inf
    video.experts[1][0] = torch.nan  # missing: it does not enter the similarities
    names, ids = ["audio", "rgb"], ["w", "x", "y", "z"]
    video = VideoEmbedding(video.experts, available)
    assert find_nonfinite_source(names, text, video, ids) == "expert 'audio' of 'x'"
    assert find_nonfinite_source(names, text, video) == "expert 'audio'"
    text.weights[1, 0] = torch.nan
    assert find_nonfinite_source(names, text, video, ids) == "the text, expert 'audio' of 'x'"
    video.experts[0][[1, 3], 1] = 0
    assert find_nonfinite_source(names, text, video, ids) == "the text"
    text.weights[1, 0] = 1
    assert find_nonfinite_source(names, text, video, ids) == "the similarities alone"
